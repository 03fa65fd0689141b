//! A little HTTP server of a story's own, for what functions ask of AWS beside its APIs here.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

/// What it was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Such as `PUT /path?query`.
    pub line: String,
    /// The headers, by their names in lower case.
    pub headers: HashMap<String, String>,
    /// The body, which must be JSON.
    pub body: Value,
}

/// Serves on the runtime it was started on; each request is answered with a status and JSON.
pub async fn serve(answer: impl Fn(Asked) -> (u16, Value) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback interface has free ports");
    let address = listener.local_addr().expect("it is bound");
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                while let Some(asked) = read(&mut stream).await {
                    let (status, body) = answer(asked);
                    let body = body.to_string();
                    let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n\r\n", body.len());
                    if stream.write_all((head + &body).as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// None once the client has hung up.
async fn read(stream: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|length| *length > 0)?;
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let headers: HashMap<_, _> = lines
        .iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let line = lines.first()?.trim_end_matches(" HTTP/1.1").to_owned();
    Some(Asked { line, headers, body: serde_json::from_slice(&body).expect("JSON") })
}
