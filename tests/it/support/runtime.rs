//! The client of a runtime, for a server of a test.

use credence::client::{Client, ClientSettings, ServerUrl, Token, TokenSource};

use super::{Person, Server};

/// The settings of somebody's client.
pub fn settings(person: &Person<'_>) -> ClientSettings {
    let server = ServerUrl::parse(&person.server.url("")).unwrap();
    let token = Token::parse(&person.token).unwrap();
    let mut settings = ClientSettings::new(server, TokenSource::fixed(token));
    settings.clock = person.server.clock.clone();
    settings
}

/// A client that follows the changes already.
pub async fn client(server: &Server) -> Client {
    let client = Client::new(settings(&server.runtime())).unwrap();
    follow(&client).await;
    client
}

/// Has a client follow the changes, and returns when it does.
pub async fn follow(client: &Client) {
    client.follow_changes();
    client
        .is_following()
        .wait_for(|following| *following)
        .await
        .unwrap();
}
