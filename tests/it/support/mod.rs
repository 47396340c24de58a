//! What tests share: a server of their own, people with tokens, and answers that are looked through.

pub mod answer;
pub mod audit;
pub mod browser;
pub mod busy;
pub mod certificate;
pub mod client;
pub mod cluster;
pub mod database;
pub mod forgery;
pub mod hold;
pub mod hostile;
pub mod key_server;
pub mod keys;
pub mod local;
pub mod log;
pub mod mcp;
pub mod memory;
pub mod metrics;
pub mod otlp;
pub mod peer;
pub mod process;
pub mod provider;
pub mod runtime;
pub mod server;
pub mod store;
pub mod stream;
pub mod token;

use std::path::Path;

use memchr::memmem;

pub use answer::Answer;
pub use server::{Person, Server};

/// Stands in every value of the suite. Wherever it turns up but in the answer to a resolve, a value has leaked.
pub const MARKER: &str = "Marker5eCret";

/// A value that can be told from others, with the marker in it.
pub fn secret(name: &str) -> String {
    format!("{MARKER}-{name}")
}

/// A path as an argument of a command.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Hexadecimal digits as bytes.
pub fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|place| u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).unwrap())
        .collect()
}

/// Bytes as hexadecimal digits.
pub fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The workflow of the platform's documentation, in YAML, with an ID in it.
pub fn workflow(id: &str) -> String {
    format!(
        "defs:
  primary_model:
    kind: model
    settings:
      provider: openai
      model_id: your-model-id
      api_key: {id}

  generate_answer:
    kind: task
    action: ai_generate_text
    inputs:
      prompt: \"=$input.text\"
    bindings:
      model: primary_model
"
    )
}

/// Tells a figure, when somebody looks on (`--nocapture`).
pub fn tell(figure: &str) {
    use std::io::Write;
    let line = format!("{figure}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

/// A client for servers without TLS: it has no use for the authorities of the system, which take long to read.
pub fn http_client() -> reqwest::Client {
    reqwest::Client::builder()
        .tls_certs_only([])
        .build()
        .unwrap()
}

/// The ways in which the marker could be written: as it is, in hexadecimal, and in base64 at each of the three places that its
/// first byte can have in a group.
pub fn marker_forms() -> Vec<Vec<u8>> {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let marker = MARKER.as_bytes();
    let hex: String = marker.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        marker.to_vec(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
    ];
    for shift in 0..3 {
        let shifted = [&vec![0; shift], marker].concat();
        let encoded = STANDARD.encode(&shifted);
        // The characters at the ends depend on what stands before and behind.
        let whole = &encoded[(shift * 8).div_ceil(6)..shifted.len() * 8 / 6];
        forms.push(whole.as_bytes().to_vec());
    }
    forms
}

/// Whether the marker stands in these bytes in any form.
pub fn holds_marker(bytes: &[u8]) -> bool {
    marker_forms()
        .iter()
        .any(|form| memmem::find(bytes, form).is_some())
}
