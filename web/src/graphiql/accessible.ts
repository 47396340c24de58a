/** What the editors of the explorer have of themselves in the document (CodeMirror 5). */
interface Editor extends HTMLElement {
  CodeMirror?: { addKeyMap: (keys: Record<string, false>) => void };
}

const freed = new WeakSet<Editor>();

/**
 * Mends in the explorer's document what keeps people out who use a keyboard or a screen reader, and what no property of it
 * changes: its editors keep the Tab key (WCAG 2.2, 2.1.2), have no names and scroll only by mouse, its completions have no
 * name, and its list of operations is a list of tabs that hold buttons, which no role of ARIA allows.
 */
export function keepAccessible(place: HTMLElement): () => void {
  const mend = (): void => {
    place.querySelectorAll<Editor>('.CodeMirror').forEach(letGoOfTab);
    place.querySelectorAll<HTMLTextAreaElement>('.CodeMirror textarea:not([aria-label])').forEach(nameEditor);
    place.querySelectorAll<HTMLElement>('.CodeMirror-scroll[tabindex="-1"]').forEach(letScroll);
    place.querySelectorAll<HTMLElement>('[role=tablist].graphiql-tabs').forEach((list) => list.removeAttribute('role'));
    place.querySelectorAll<HTMLElement>('.graphiql-tab[role], .graphiql-tab[aria-selected]').forEach(mendTab);
    document.querySelectorAll<HTMLElement>('.CodeMirror-hints:not([aria-label])').forEach(nameCompletions);
  };
  const observer = new MutationObserver(mend);
  observer.observe(place, { subtree: true, childList: true, attributeFilter: ['role', 'aria-selected'] });
  // Completions are children of the body.
  observer.observe(document.body, { childList: true });
  mend();
  return () => observer.disconnect();
}

/** Tab goes on to the next field, as everywhere; among completions it still takes one. */
function letGoOfTab(editor: Editor): void {
  if (editor.CodeMirror && !freed.has(editor)) {
    editor.CodeMirror.addKeyMap({ Tab: false, 'Shift-Tab': false });
    freed.add(editor);
  }
}

function nameEditor(editor: HTMLTextAreaElement): void {
  editor.ariaLabel = editor.closest('section')?.ariaLabel ?? 'Editor';
}

function nameCompletions(list: HTMLElement): void {
  list.ariaLabel = 'Completions';
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
