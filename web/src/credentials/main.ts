import '../style/page.css';
import '../style/form.css';
import './credentials.css';
import './credentials-page.js';
