//! What Tenure is compared with.
//!
//!     compare echo                stock tonic: what comes goes back; one current-thread runtime
//!     compare pool REDIS_URL      stock tonic on Tokio's own runtime, with a connection out of a pool per request
//!
//! It prints its address and serves until it is killed.

use deadpool_redis::{Pool as Connections, redis};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod proto {
    tonic::include_proto!("compare");
}

use proto::echo_server::{Echo, EchoServer};
use proto::pool_server::{Pool, PoolServer};
use proto::{GetRequest, GetResponse, Message};

type Failure = Box<dyn std::error::Error>;

struct Echoing;

#[tonic::async_trait]
impl Echo for Echoing {
    async fn say(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        Ok(Response::new(request.into_inner()))
    }
}

/// The pattern of deadpool's own README: take a connection, ask, give it back.
struct Pooled(Connections);

#[tonic::async_trait]
impl Pool for Pooled {
    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        let failed = |error: &dyn std::fmt::Display| Status::unavailable(error.to_string());
        let mut connection = self.0.get().await.map_err(|error| failed(&error))?;
        let state: Option<Vec<u8>> = redis::cmd("GETEX")
            .arg(request.into_inner().id)
            .arg("EX")
            .arg(900)
            .query_async(&mut connection)
            .await
            .map_err(|error| failed(&error))?;
        let state = state.ok_or_else(|| Status::not_found("no such session"))?;
        Ok(Response::new(GetResponse {
            state: state.into(),
        }))
    }
}

async fn listen() -> Result<TcpIncoming, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    Ok(TcpIncoming::from(listener).with_nodelay(Some(true)))
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[1..] {
        ["echo"] => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let server = Server::builder().add_service(EchoServer::new(Echoing));
                Ok(server.serve_with_incoming(listen().await?).await?)
            })
        }
        ["pool", url] => {
            let connections = deadpool_redis::Config::from_url(url)
                .create_pool(Some(deadpool_redis::Runtime::Tokio1))?;
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(async {
                let server = Server::builder().add_service(PoolServer::new(Pooled(connections)));
                Ok(server.serve_with_incoming(listen().await?).await?)
            })
        }
        _ => Err("compare echo | compare pool REDIS_URL".into()),
    }
}
