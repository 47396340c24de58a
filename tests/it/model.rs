//! An AI action from end to end: the workflow's YAML has an ID, the runtime resolves it, and the provider sees the value.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use async_openai::Client as OpenAi;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::types::chat::{
    ChatCompletionRequestUserMessage, CreateChatCompletionRequestArgs,
};
use credence::client::ClientError;
use credence::types::consumer::{Consumer, ConsumerKind};
use credence::types::id::Id;
use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::runtime::client;
use crate::support::{Server, secret, workflow};

/// A provider that speaks OpenAI's API, and knows one key at a time.
#[derive(Clone)]
struct Provider {
    key: Arc<Mutex<String>>,
    url: String,
}

impl Provider {
    async fn start(key: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let key = Arc::new(Mutex::new(key.to_owned()));
        let provider = Self { key, url };
        let served = provider.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let served = served.clone();
                let service = service_fn(move |request| {
                    std::future::ready(Ok::<_, Infallible>(served.answer(&request)))
                });
                tokio::spawn(
                    http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .map(drop),
                );
            }
        });
        provider
    }

    fn accept_only(&self, key: &str) {
        key.clone_into(&mut self.key.lock().unwrap());
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<String> {
        let expected = format!("Bearer {}", self.key.lock().unwrap());
        assert_eq!(request.uri().path(), "/v1/chat/completions");
        let (status, body) = if request.headers()["authorization"] == expected.as_str() {
            let choice = json!({ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": "Good day." } });
            let answer = json!({ "id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice] });
            (StatusCode::OK, answer)
        } else {
            let error = json!({ "message": "Incorrect API key provided.", "type": "invalid_request_error", "param": null, "code": "invalid_api_key" });
            (StatusCode::UNAUTHORIZED, json!({ "error": error }))
        };
        Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .body(body.to_string())
            .unwrap()
    }
}

/// The key of the model that a task is bound to, in the YAML of the platform's documentation, as its runtime reads it.
fn api_key_of<'a>(workflow: &'a str, task: &str) -> &'a str {
    let def = |name: &str| workflow.split_once(&format!("\n  {name}:\n")).unwrap().1;
    let value = |text: &'a str, key: &str| {
        let mut lines = text.lines().map(str::trim);
        lines.find_map(|line| line.strip_prefix(key)).unwrap()
    };
    value(def(value(def(task), "model: ")), "api_key: ")
}

async fn generate(provider: &Provider, key: &str) -> Result<String, OpenAIError> {
    let config = OpenAIConfig::new()
        .with_api_base(&provider.url)
        .with_api_key(key);
    let request = CreateChatCompletionRequestArgs::default()
        .model("your-model-id")
        .messages([ChatCompletionRequestUserMessage::from("Hello").into()])
        .build()?;
    let answer = OpenAi::with_config(config).chat().create(request).await?;
    Ok(answer.choices[0].message.content.clone().unwrap())
}

#[tokio::test]
async fn a_model_binding_uses_the_value_of_its_credential() {
    let server = Server::start().await;
    let alice = server.editor("alice");
    let id = alice.create("OPENAI_PROD_API_KEY").await;
    let other = alice.create("ANOTHER_KEY").await;
    let first = format!(
        "defs:\n  fallback_model:\n    kind: model\n    settings:\n      api_key: {other}\n"
    );
    let workflow = workflow(&id).replace("defs:\n", &first);
    let provider = Provider::start(&secret("OPENAI_PROD_API_KEY")).await;
    let client = client(&server).await;
    let binding = Consumer {
        kind: ConsumerKind::AiModelBinding,
        external_id: "support.yaml#primary_model".to_owned(),
        name: None,
    };
    let id = Id::parse(api_key_of(&workflow, "generate_answer")).unwrap();

    let resolved = client.resolve(id, &binding).await.unwrap();
    assert_eq!(
        generate(&provider, resolved.value.expose()).await.unwrap(),
        "Good day."
    );

    // The provider gives out a new key, and the credential's value is replaced.
    let mut changes = client.changes();
    provider.accept_only(&secret("the second"));
    let rotated = alice
        .mutate(
            "updateCredential",
            json!({ "credentialId": id.to_string(), "value": secret("the second") }),
        )
        .await;
    assert_eq!(rotated.user_errors(), Vec::<String>::new());
    changes.recv().await.unwrap();
    let resolved = client.resolve(id, &binding).await.unwrap();
    assert_eq!(
        generate(&provider, resolved.value.expose()).await.unwrap(),
        "Good day."
    );
    assert!(
        generate(&provider, &secret("OPENAI_PROD_API_KEY"))
            .await
            .is_err()
    );

    alice
        .mutate(
            "deleteCredential",
            json!({ "credentialId": id.to_string() }),
        )
        .await;
    changes.recv().await.unwrap();
    let error = client.resolve(id, &binding).await.unwrap_err();
    assert!(matches!(error, ClientError::Deleted { .. }), "{error}");
    assert!(error.to_string().contains("OPENAI_PROD_API_KEY"), "{error}");
}
