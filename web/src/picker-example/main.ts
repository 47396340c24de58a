import '../style/page.css';
import '../style/form.css';
import './picker-example.css';

const form = document.querySelector('form');
const output = document.querySelector('output');

form?.addEventListener('submit', (event) => {
  event.preventDefault();
  if (output) {
    output.value = [...new FormData(form)].map(([name, value]) => `${name}: ${value.toString()}`).join('\n');
  }
});
