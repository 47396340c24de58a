import '../style/page.css';
import '../style/form.css';
import './picker-example.css';
import { readSession } from '../session/session.js';
import { SessionHeader } from '../session/session-header.js';

const form = document.querySelector('form');
const output = document.querySelector('output');
const header = document.querySelector('session-header');

form?.addEventListener('submit', (event) => {
  event.preventDefault();
  if (output) {
    output.value = [...new FormData(form)].map(([name, value]) => `${name}: ${value.toString()}`).join('\n');
  }
});

if (header instanceof SessionHeader) {
  header.session = await readSession().catch(() => undefined);
}
