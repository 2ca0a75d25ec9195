//! Speaking to a browser: the few commands of the Chrome `DevTools` Protocol that looking at a page needs.
//!
//! The browser's log cannot replace it: it writes every console message with the same severity.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

/// A command that takes longer will not be answered.
const COMMAND: Duration = Duration::from_secs(20);

/// A connection to a browser, and what it told without being asked.
pub(crate) struct DevTools {
    stream: WebSocketStream<TcpStream>,
    last_id: u64,
}

/// Something that happened in a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PageEvent {
    Loaded,
    RequestStarted(String),
    RequestEnded(String),
    /// A sentence as the console would show it.
    Error(String),
}

impl DevTools {
    /// Connects to `ws://127.0.0.1:<port><path>`.
    pub(crate) async fn connect(port: u16, path: &str) -> Result<Self, String> {
        let connected = timeout(COMMAND, async {
            let stream =
                TcpStream::connect(("127.0.0.1", port)).await.map_err(|err| err.to_string())?;
            let address = format!("ws://127.0.0.1:{port}{path}");
            client_async(address, stream).await.map_err(|err| err.to_string())
        });
        let (stream, _) = connected.await.map_err(|_| "it does not answer".to_owned())??;
        Ok(Self { stream, last_id: 0 })
    }

    /// Gives a command and waits for its result; events on the way go to `seen`.
    pub(crate) async fn command(
        &mut self,
        session: Option<&str>,
        method: &str,
        params: Value,
        seen: &mut Vec<PageEvent>,
    ) -> Result<Value, String> {
        self.last_id += 1;
        let id = self.last_id;
        let mut command = json!({ "id": id, "method": method, "params": params });
        if let (Some(session), Some(command)) = (session, command.as_object_mut()) {
            command.insert("sessionId".to_owned(), session.into());
        }
        let work = async {
            let text = Message::text(command.to_string());
            self.stream.send(text).await.map_err(|err| err.to_string())?;
            loop {
                let message = self.receive().await?;
                if message.get("id").and_then(Value::as_u64) == Some(id) {
                    return match message.get("error") {
                        Some(error) => Err(format!("`{method}` failed: {error}")),
                        None => Ok(message.get("result").cloned().unwrap_or_default()),
                    };
                }
                seen.extend(event(&message, session));
            }
        };
        let done = timeout(COMMAND, work).await;
        done.map_err(|_| format!("`{method}` was not answered"))?
    }

    /// The next event of a page.
    pub(crate) async fn event(&mut self, session: &str) -> Result<PageEvent, String> {
        loop {
            let message = self.receive().await?;
            if let Some(event) = event(&message, Some(session)) {
                return Ok(event);
            }
        }
    }

    async fn receive(&mut self) -> Result<Value, String> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text).map_err(|err| err.to_string());
                }
                Some(Ok(_)) => {}
                Some(Err(err)) => return Err(err.to_string()),
                None => return Err("it closed the connection".to_owned()),
            }
        }
    }
}

/// What a message says about the page of a session.
fn event(message: &Value, session: Option<&str>) -> Option<PageEvent> {
    if message.get("sessionId").and_then(Value::as_str) != session {
        return None;
    }
    let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str);
    match message.get("method").and_then(Value::as_str)? {
        "Page.loadEventFired" => Some(PageEvent::Loaded),
        "Network.requestWillBeSent" => {
            Some(PageEvent::RequestStarted(text("/params/requestId")?.to_owned()))
        }
        "Network.loadingFinished" | "Network.loadingFailed" => {
            Some(PageEvent::RequestEnded(text("/params/requestId")?.to_owned()))
        }
        "Runtime.exceptionThrown" => {
            let what = text("/params/exceptionDetails/exception/description")
                .or_else(|| text("/params/exceptionDetails/text"))?;
            Some(PageEvent::Error(format!("uncaught: {}", shortened(what))))
        }
        "Runtime.consoleAPICalled" if matches!(text("/params/type")?, "error" | "assert") => {
            let arguments = message.pointer("/params/args").and_then(Value::as_array)?;
            let words: Vec<String> = arguments.iter().map(console_word).collect();
            Some(PageEvent::Error(format!("console.error: {}", shortened(&words.join(" ")))))
        }
        "Log.entryAdded" if text("/params/entry/level") == Some("error") => {
            let address = text("/params/entry/url").unwrap_or_default();
            // Browsers ask for it by themselves; no page refers to it.
            if address.ends_with("/favicon.ico") {
                return None;
            }
            let what = text("/params/entry/text").unwrap_or_default();
            Some(PageEvent::Error(format!("{} ({address})", shortened(what))))
        }
        _ => None,
    }
}

fn console_word(argument: &Value) -> String {
    match (argument.get("value"), argument.get("description").and_then(Value::as_str)) {
        (Some(Value::String(text)), _) => text.clone(),
        (_, Some(description)) => description.to_owned(),
        (Some(value), None) => value.to_string(),
        (None, None) => String::new(),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(800).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_of_the_page_itself_count() {
        let message = |session: &str, method: &str, params: Value| json!({ "sessionId": session, "method": method, "params": params });
        let log = |level: &str, url: &str| {
            message(
                "s",
                "Log.entryAdded",
                json!({ "entry": { "level": level, "text": "404", "url": url } }),
            )
        };
        let called = |kind: &str| {
            let args = json!([{ "type": "string", "value": "bad" }, { "type": "object", "description": "Error: x" }]);
            message("s", "Runtime.consoleAPICalled", json!({ "type": kind, "args": args }))
        };
        let error = |text: &str| Some(PageEvent::Error(text.to_owned()));
        assert_eq!(event(&called("error"), Some("s")), error("console.error: bad Error: x"));
        assert_eq!(event(&called("log"), Some("s")), None);
        assert_eq!(event(&called("error"), Some("other")), None);
        assert_eq!(event(&log("error", "/a.js"), Some("s")), error("404 (/a.js)"));
        assert_eq!(event(&log("warning", "/a.js"), Some("s")), None);
        assert_eq!(event(&log("error", "http://h/favicon.ico"), Some("s")), None);
    }
}
