import { CredentialPicker } from './credential-picker.js';

// A page may load the script twice, from two servers for instance: the first one stays.
if (!customElements.get('credential-picker')) {
  customElements.define('credential-picker', CredentialPicker);
}
