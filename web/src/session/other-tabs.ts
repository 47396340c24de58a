/** What the other tabs of this browser should know. It holds no name and no value. */
export type Notice = 'credentials' | 'session';

const channel = new BroadcastChannel('credence');

/** Tells the other tabs that something has changed. */
export function tellOtherTabs(notice: Notice): void {
  channel.postMessage(notice);
}

/** Calls back when another tab has changed something. Returns what ends it. */
export function listenToOtherTabs(changed: (notice: Notice) => void): () => void {
  const listener = ({ data }: MessageEvent<Notice>): void => changed(data);
  channel.addEventListener('message', listener);
  return () => channel.removeEventListener('message', listener);
}
