import { html } from 'lit';

export const copyIcon = html`<svg viewBox="0 0 16 16" aria-hidden="true">
  <rect x="5" y="5" width="9" height="9" rx="1.5" />
  <path d="M11 2.7V2.5A1.5 1.5 0 0 0 9.5 1h-6A1.5 1.5 0 0 0 2 2.5v6A1.5 1.5 0 0 0 3.5 10" />
</svg>`;

export const pencilIcon = html`<svg viewBox="0 0 16 16" aria-hidden="true">
  <path d="M2 14l.8-3.4L11 2.4l2.6 2.6-8.2 8.2zM9.3 4.1l2.6 2.6" />
</svg>`;

export const trashIcon = html`<svg viewBox="0 0 16 16" aria-hidden="true">
  <path d="M2 4h12M6 4V2h4v2M3.5 4l.7 10h7.6l.7-10M6.6 7v4.5M9.4 7v4.5" />
</svg>`;
