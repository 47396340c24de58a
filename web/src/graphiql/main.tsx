import 'graphiql/style.css';
import '../style/page.css';
import '../style/form.css';
import './graphiql.css';
import { createRoot } from 'react-dom/client';
import { Explorer } from './explorer.js';

const place = document.getElementById('explorer');
if (place) {
  createRoot(place).render(<Explorer />);
}
