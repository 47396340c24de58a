/**
 * Mends in the explorer's document what keeps people out who use a keyboard or a screen reader, and what no property of it
 * changes: its editors have no names and scroll only by mouse, and its list of operations is a list of tabs that hold
 * buttons, which no role of ARIA allows.
 */
export function keepAccessible(place: HTMLElement): () => void {
  const mend = (): void => {
    place.querySelectorAll<HTMLTextAreaElement>('.CodeMirror textarea:not([aria-label])').forEach(nameEditor);
    place.querySelectorAll<HTMLElement>('.CodeMirror-scroll[tabindex="-1"]').forEach(letScroll);
    place.querySelectorAll<HTMLElement>('[role=tablist].graphiql-tabs').forEach((list) => list.removeAttribute('role'));
    place.querySelectorAll<HTMLElement>('.graphiql-tab[role], .graphiql-tab[aria-selected]').forEach(mendTab);
  };
  const observer = new MutationObserver(mend);
  observer.observe(place, { subtree: true, childList: true, attributeFilter: ['role', 'aria-selected'] });
  mend();
  return () => observer.disconnect();
}

function nameEditor(editor: HTMLTextAreaElement): void {
  editor.ariaLabel = editor.closest('section')?.ariaLabel ?? 'Editor';
}

function letScroll(area: HTMLElement): void {
  area.tabIndex = 0;
}

/** The present one of the list is told by its button. */
function mendTab(tab: HTMLElement): void {
  const button = tab.querySelector('.graphiql-tab-button');
  if (button) {
    button.ariaCurrent = tab.ariaSelected === 'true' ? 'true' : 'false';
  }
  tab.removeAttribute('role');
  tab.removeAttribute('aria-selected');
}
