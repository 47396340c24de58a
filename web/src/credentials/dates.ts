import { type TemplateResult, html } from 'lit';

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['second', 60],
  ['minute', 60],
  ['hour', 24],
  ['day', 30],
  ['month', 12],
  ['year', Infinity],
];
const words = new Intl.RelativeTimeFormat('en', { numeric: 'always' });
const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

/** How long before `now` a time was, in words: `2 hours ago`. */
export function relative(time: Date, now: Date): string {
  let amount = Math.min(0, (time.getTime() - now.getTime()) / 1000);
  for (const [unit, size] of STEPS) {
    if (Math.abs(amount) < size) {
      return unit === 'second' ? 'just now' : words.format(Math.ceil(amount), unit);
    }
    amount /= size;
  }
  return '';
}

/** A time in words, with the exact one as its title; or `Never`. */
export function timeOrNever(text: string | null): TemplateResult {
  if (text === null) {
    return html`<span class="never">Never</span>`;
  }
  const time = new Date(text);
  return html`<time datetime=${text} title=${absolute.format(time)}>${relative(time, new Date())}</time>`;
}
