import '../style/page.css';
import '../style/form.css';
import './login.css';
import './login-page.js';
