//! An MCP server with one tool, over HTTP or over stdio, and a client's call of it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RunningService};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleClient, RoleServer, ServerHandler};
use serde_json::Map;
use tokio::net::TcpListener;

/// A tool that answers with one text.
#[derive(Clone)]
pub struct OneTool {
    pub name: &'static str,
    pub answer: String,
}

impl ServerHandler for OneTool {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut schema = Map::new();
        schema.insert("type".to_owned(), "object".into());
        let tool = Tool::new(self.name, "Answers.", schema);
        Ok(ListToolsResult::with_all_items(vec![tool]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        assert_eq!(request.name, self.name);
        Ok(CallToolResult::success(vec![ContentBlock::text(&self.answer)]).into())
    }
}

/// A server over HTTP that wants one bearer token, and remembers those that it saw.
#[derive(Clone)]
pub struct HttpMcpServer {
    pub url: String,
    expected: Arc<Mutex<String>>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl HttpMcpServer {
    pub async fn start(token: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!("http://{}/mcp", listener.local_addr().unwrap()),
            expected: Arc::default(),
            seen: Arc::default(),
        };
        server.accept_only(token);
        let tool = OneTool {
            name: "find_customer",
            answer: "Ada".to_owned(),
        };
        let mcp: StreamableHttpService<OneTool, LocalSessionManager> = StreamableHttpService::new(
            move || Ok(tool.clone()),
            Arc::default(),
            StreamableHttpServerConfig::default(),
        );
        let served = server.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (served, mcp) = (served.clone(), mcp.clone());
                let service = service_fn(move |request| {
                    let (served, mcp) = (served.clone(), mcp.clone());
                    async move {
                        let answer = if served.lets_in(&request) {
                            mcp.handle(request).await
                        } else {
                            let nothing = http_body_util::combinators::BoxBody::default();
                            let mut answer = hyper::Response::new(nothing);
                            *answer.status_mut() = StatusCode::UNAUTHORIZED;
                            answer
                        };
                        Ok::<_, Infallible>(answer)
                    }
                });
                tokio::spawn(
                    http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .map(drop),
                );
            }
        });
        server
    }

    pub fn accept_only(&self, token: &str) {
        *self.expected.lock().unwrap() = format!("Bearer {token}");
    }

    /// The bearer tokens that were seen since this was asked last.
    pub fn take_seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    fn lets_in(&self, request: &Request<Incoming>) -> bool {
        let header = request.headers().get("authorization");
        let header = header
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default();
        self.seen.lock().unwrap().push(header.to_owned());
        header == *self.expected.lock().unwrap()
    }
}

/// Lists the tools of a server and calls the first one: its name, and what it answers.
pub async fn use_first_tool(client: &RunningService<RoleClient, ()>) -> (String, String) {
    let tools = client.list_all_tools().await.unwrap();
    let name = tools[0].name.clone();
    let call = CallToolRequestParams::new(name.clone());
    let answer = client.call_tool(call).await.unwrap();
    let text = answer.content[0].as_text().unwrap().text.clone();
    (name.into_owned(), text)
}
