import { type TemplateResult, html, nothing } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import type { CredentialOrder, CredentialOrderField } from '../../generated/page.js';
import type { CredentialList } from './credential-list.js';
import { type RowActions, rowTemplate } from './row.js';

type Reorder = (order: CredentialOrder) => void;

interface Column {
  label: string;
  kind: string;
  field?: CredentialOrderField;
}

const COLUMNS: Column[] = [
  { label: 'ID', kind: 'id' },
  { label: 'Name', kind: 'name', field: 'NAME' },
  { label: 'Owner', kind: 'owner' },
  { label: 'Value', kind: 'value' },
  { label: 'Created', kind: 'date', field: 'CREATED_AT' },
  { label: 'Updated', kind: 'date', field: 'UPDATED_AT' },
  { label: 'Last used', kind: 'date' },
  { label: 'Used by', kind: 'uses' },
];
const OPERATIONS: Column = { label: 'Operations', kind: 'operations' };
const SKELETON_ROWS = Array.from({ length: 12 });

/** What stands where the table will be: as high, so that nothing jumps. */
export function skeletonTemplate(): TemplateResult {
  return html`<div class="skeleton" role="status">
    <span class="visually-hidden">Loading…</span>
    ${SKELETON_ROWS.map(() => html`<div class="skeleton-row"><span class="bar"></span></div>`)}
  </div>`;
}

/** The table of credentials; on narrow screens its rows are cards, and the roles keep it a table. */
export function tableTemplate(
  list: CredentialList,
  withOperations: boolean,
  actions: RowActions,
  reorder: Reorder,
): TemplateResult {
  const columns = withOperations ? [...COLUMNS, OPERATIONS] : COLUMNS;
  return html`<table role="table" aria-label="Credentials" aria-busy=${list.loading}>
    <thead role="rowgroup">
      <tr role="row">
        ${columns.map((column) => headTemplate(column, list.shownOrder ?? list.view.order, reorder))}
      </tr>
    </thead>
    <tbody role="rowgroup">
      ${repeat(
        list.rows,
        ({ id }) => id,
        (row) => rowTemplate(row, row.id === list.fresh, withOperations, actions),
      )}
    </tbody>
  </table>`;
}

function headTemplate({ label, kind, field }: Column, order: CredentialOrder, reorder: Reorder): TemplateResult {
  if (field === undefined) {
    return html`<th role="columnheader" scope="col" class=${kind}>${label}</th>`;
  }
  const sorted = field === order.field;
  const ascending = order.direction === 'ASC';
  // A name is first wanted from A to Z, a time from the latest on.
  const first = field === 'NAME' ? 'ASC' : 'DESC';
  const turned = ascending ? 'DESC' : 'ASC';
  return html`<th
    role="columnheader"
    scope="col"
    class=${kind}
    aria-sort=${sorted ? (ascending ? 'ascending' : 'descending') : 'none'}
  >
    <button type="button" class="sort" @click=${() => reorder({ field, direction: sorted ? turned : first })}>
      ${label}${sorted ? html`<span aria-hidden="true">${ascending ? ' ↑' : ' ↓'}</span>` : nothing}
    </button>
  </th>`;
}
