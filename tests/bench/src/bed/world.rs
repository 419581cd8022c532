//! Everything a function calls: AWS and Metriport, each service at a port of its own, as each is a host of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::answers::Answers;
use super::environment::{Hosts, environment};
use super::process::{Process, Program};
use super::server;
use super::table::Table;
use super::tls::Tls;
use crate::Problem;

/// What changes: the items, the messages, what the last function was seen to do.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The items.
    pub table: Table,
    /// Messages by queue, oldest first.
    pub queues: BTreeMap<String, Vec<String>>,
    /// The metadata Metriport was last sent, by path: it comes back in webhooks.
    pub metadata: BTreeMap<String, Value>,
    /// What was seen since the last step began.
    pub seen: Seen,
}

/// What was seen of one function.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Its calls, but for those of secrets.
    pub calls: Vec<Value>,
    /// The secrets it read.
    pub secrets: Vec<String>,
    /// When its first connection was taken.
    pub connected: Option<Instant>,
    /// When a secret was last handed out.
    pub told: Option<Instant>,
}

/// AWS and Metriport, until dropped.
pub struct World {
    state: Arc<Mutex<State>>,
    /// Where everything is.
    pub hosts: Hosts,
    /// The certificates.
    pub tls: Tls,
    /// For logs of functions.
    pub dir: TempDir,
}

impl World {
    /// Begins to answer.
    ///
    /// # Errors
    /// When no certificate can be made or no port is free.
    pub async fn start() -> Result<Self, Problem> {
        let dir = tempfile::tempdir()?;
        let tls = Tls::new(dir.path())?;
        let state = Arc::default();
        let answers = Arc::new(Answers::new(Arc::clone(&state)));
        let mut hosts = Hosts::default();
        for host in [
            &mut hosts.dynamodb,
            &mut hosts.metriport,
            &mut hosts.records,
            &mut hosts.s3,
            &mut hosts.secrets,
            &mut hosts.sqs,
        ] {
            let listener = TcpListener::bind("localhost:0").await?;
            *host = format!("localhost:{}", listener.local_addr()?.port());
            tokio::spawn(server::serve(
                listener,
                Some(tls.acceptor.clone()),
                Arc::clone(&answers),
            ));
        }
        Ok(Self { state, hosts, tls, dir })
    }

    /// Starts a process that finds everything here, in a control group if one is named.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn start_process(&self, program: &Program, group: Option<&Path>) -> Result<Process, Problem> {
        let mut variables = environment(&program.function, "https", &self.hosts);
        for (name, file) in [
            ("SSL_CERT_FILE", &self.tls.system_and_root),
            ("EXTRA_ROOTS_FILE", &self.tls.root),
        ] {
            variables.insert(name.to_owned(), file.display().to_string());
        }
        Process::start(program, variables, self.dir.path(), group).await
    }

    /// The state, for as long as it is held.
    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

pub(super) fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
