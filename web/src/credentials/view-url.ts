import type { CredentialOrder, CredentialOrderField } from '../../generated/page.js';

/** What of the list one sees: what was searched for, and the order. */
export interface View {
  query: string;
  order: CredentialOrder;
}

const FIELDS: Record<string, CredentialOrderField> = { name: 'NAME', created: 'CREATED_AT', updated: 'UPDATED_AT' };
const DEFAULT_ORDER = 'name-asc';

/** The short form of an order, as in the address: `created-desc`. */
export function orderKey({ field, direction }: CredentialOrder): string {
  const name = Object.keys(FIELDS).find((key) => FIELDS[key] === field) ?? 'name';
  return `${name}-${direction.toLowerCase()}`;
}

export function orderOf(key: string): CredentialOrder {
  const [name = '', direction] = key.split('-');
  const field = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
  return field ? { field, direction: direction === 'desc' ? 'DESC' : 'ASC' } : { field: 'NAME', direction: 'ASC' };
}

/** The view that an address names. */
export function viewOf({ search }: Location): View {
  const parameters = new URLSearchParams(search);
  return { query: parameters.get('q') ?? '', order: orderOf(parameters.get('order') ?? DEFAULT_ORDER) };
}

/** Writes the view into the address, so that it can be kept and sent. */
export function showInAddress({ query, order }: View): void {
  const parameters = new URLSearchParams();
  if (query !== '') {
    parameters.set('q', query);
  }
  if (orderKey(order) !== DEFAULT_ORDER) {
    parameters.set('order', orderKey(order));
  }
  const search = parameters.size > 0 ? `?${parameters}` : '';
  history.replaceState(null, '', location.pathname + search);
}
