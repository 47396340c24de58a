import { type TemplateResult, html, nothing } from 'lit';
import type { Row } from './credential-list.js';
import { timeOrNever } from './dates.js';
import { copyIcon, pencilIcon, trashIcon } from './icons.js';

/** What one can do with a row. */
export interface RowActions {
  copyId: (row: Row) => void;
  showUses: (row: Row, event: Event) => void;
  edit: (row: Row, event: Event) => void;
  delete: (row: Row, event: Event) => void;
}

/** IDs begin with the time and end with chance: the two ends tell them apart. */
function shortId(id: string): string {
  return `${id.slice(0, 8)}…${id.slice(-4)}`;
}

/** A name that may go on in a second line after each `_`, and only else within a word. */
function breakable(name: string): unknown[] {
  return name.split(/(?<=_)/).map((part, index) => (index === 0 ? part : html`<wbr />${part}`));
}

const mask = html`<span aria-hidden="true">••••••••</span><span class="visually-hidden">Hidden</span>`;

/** The row of a credential. What the viewer may not do is left out. */
export function rowTemplate(row: Row, fresh: boolean, withOperations: boolean, actions: RowActions): TemplateResult {
  return html`<tr role="row" tabindex="-1" data-id=${row.id} class=${fresh ? 'fresh' : ''}>
    <td role="cell" data-label="ID" class="id">
      <code title=${row.id}>${shortId(row.id)}</code>
      <button
        type="button"
        class="icon"
        aria-label="Copy the ID of ${row.name}"
        title="Copy the ID"
        @click=${() => actions.copyId(row)}
      >
        ${copyIcon}
      </button>
    </td>
    <th role="rowheader" scope="row" data-label="Name" class="name">
      <span dir="auto" title=${row.name}>${breakable(row.name)}</span>
    </th>
    <td role="cell" data-label="Owner" class="owner">
      <span dir="auto" title=${row.owner.subject}>${row.owner.name}</span>
    </td>
    <td role="cell" data-label="Value" class="value">${mask}</td>
    <td role="cell" data-label="Created">${timeOrNever(row.createdAt)}</td>
    <td role="cell" data-label="Updated">${timeOrNever(row.updatedAt)}</td>
    <td role="cell" data-label="Last used">${timeOrNever(row.lastResolvedAt)}</td>
    <td role="cell" data-label="Used by" class="uses">${uses(row, actions)}</td>
    ${withOperations ? html`<td role="cell" data-label="Operations" class="operations">${operations(row, actions)}</td>` : nothing}
  </tr>`;
}

function uses(row: Row, actions: RowActions): TemplateResult {
  const count = row.references.totalCount;
  return count === 0
    ? html`0`
    : html`<button
        type="button"
        class="link"
        aria-label="Used by ${count}: show what uses ${row.name}"
        @click=${(event: Event) => actions.showUses(row, event)}
      >
        ${count.toLocaleString('en')}
      </button>`;
}

function operations(row: Row, actions: RowActions): TemplateResult {
  return html`${
    row.viewerCanUpdate
      ? html`<button type="button" class="icon" aria-label="Edit ${row.name}" title="Edit" @click=${(event: Event) => actions.edit(row, event)}>
        ${pencilIcon}
      </button>`
      : nothing
  }
  ${
    row.viewerCanDelete
      ? html`<button
        type="button"
        class="icon"
        aria-label="Delete ${row.name}"
        title="Delete"
        @click=${(event: Event) => actions.delete(row, event)}
      >
        ${trashIcon}
      </button>`
      : nothing
  }`;
}
