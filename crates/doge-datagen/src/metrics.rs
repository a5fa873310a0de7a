//! Figures of a run for Prometheus: a small web server that answers every request with them.
//!
//! They are read from [`Progress`] when somebody asks; the run itself does nothing for it. Without the
//! feature `metrics` there is only the refusal.

use crate::spec::Progress;
use std::sync::Arc;

/// A server that runs until it is dropped.
pub struct Metrics {
    #[cfg(feature = "metrics")]
    inner: on::Serving,
}

/// Why there are no metrics: the message and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsError {
    /// What is wrong with the address.
    pub message: String,
    /// What to write or do instead.
    pub help: String,
}

impl Metrics {
    /// Serves the figures of `progress` at `address`, `HOST:PORT`; port 0 is any that is free.
    ///
    /// # Errors
    /// The address is none, or cannot be listened at.
    #[cfg(feature = "metrics")]
    pub fn serve(address: &str, progress: Arc<Progress>) -> Result<Metrics, MetricsError> {
        on::Serving::new(address, progress).map(|inner| Metrics { inner })
    }

    /// Where it listens: `127.0.0.1:9100`.
    #[cfg(feature = "metrics")]
    pub fn address(&self) -> &str {
        &self.inner.address
    }

    /// Not in this build.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(feature = "metrics"))]
    pub fn serve(_: &str, _: Arc<Progress>) -> Result<Metrics, MetricsError> {
        Err(MetricsError {
            message: "this build has no metrics".into(),
            help: "build with `--features metrics`".into(),
        })
    }

    /// Where it listens.
    #[cfg(not(feature = "metrics"))]
    pub fn address(&self) -> &str {
        ""
    }
}

#[cfg(feature = "metrics")]
mod on {
    use super::{Arc, MetricsError, Progress};
    use crate::report::LAW;
    use prometheus::core::Collector;
    use prometheus::{Encoder, GaugeVec, IntCounterVec, Opts, Registry, TextEncoder};
    use std::net::{TcpListener, ToSocketAddrs};
    use std::thread::JoinHandle;
    use tiny_http::{Header, Method, Response, Server, StatusCode};

    /// See [`super::Metrics`].
    pub struct Serving {
        pub address: String,
        server: Arc<Server>,
        thread: Option<JoinHandle<()>>,
    }

    impl Serving {
        pub fn new(address: &str, progress: Arc<Progress>) -> Result<Serving, MetricsError> {
            let fail = |reason: String, help: &str| MetricsError {
                message: format!("cannot serve metrics at {address}: {reason}"),
                help: help.into(),
            };
            const FORM: &str = "write HOST:PORT, such as 127.0.0.1:9100";
            let port = address
                .rsplit_once(':')
                .and_then(|(host, port)| port.parse::<u16>().ok().filter(|_| !host.is_empty()));
            if port.is_none() {
                return Err(fail("it is not HOST:PORT".into(), FORM));
            }
            let addresses: Vec<_> = address
                .to_socket_addrs()
                .map_err(|_| fail("the host is not known".into(), FORM))?
                .collect();
            let listener = TcpListener::bind(&*addresses).map_err(|e| {
                let help = match e.kind() {
                    std::io::ErrorKind::AddrInUse => {
                        "end the program that listens there, or choose another port"
                    }
                    std::io::ErrorKind::PermissionDenied => "choose a port above 1023",
                    _ => "name an address of this machine, such as 127.0.0.1:9100",
                };
                fail(crate::sink::io_reason(&e), help)
            })?;
            let bound = listener.local_addr().map_or_else(|_| address.into(), |a| a.to_string());
            let server = Server::from_listener(listener, None)
                .map_err(|_| fail("the server does not start".into(), FORM))?;
            let server = Arc::new(server);
            let thread = std::thread::spawn({
                let server = server.clone();
                move || {
                    // Ends when it is unblocked.
                    while let Ok(request) = server.recv() {
                        answer(request, &progress);
                    }
                }
            });
            Ok(Serving { address: bound, server, thread: Some(thread) })
        }
    }

    impl Drop for Serving {
        fn drop(&mut self) {
            self.server.unblock();
            if let Some(thread) = self.thread.take() {
                let _ = thread.join();
            }
        }
    }

    fn answer(request: tiny_http::Request, progress: &Progress) {
        let path = request.url().split('?').next().unwrap_or("").to_owned();
        // That somebody hangs up is no affair of the run.
        let _ = match (request.method(), path.as_str()) {
            (Method::Get | Method::Head, "/metrics" | "/") => match text(progress) {
                Ok(text) => {
                    let mut response = Response::from_data(text);
                    let kind = "Content-Type: text/plain; version=0.0.4; charset=utf-8";
                    if let Ok(header) = kind.parse::<Header>() {
                        response = response.with_header(header);
                    }
                    request.respond(response)
                }
                Err(e) => request.respond(
                    Response::from_string(format!("{e}\n")).with_status_code(StatusCode(500)),
                ),
            },
            _ => request.respond(
                Response::from_string("the figures are at /metrics\n")
                    .with_status_code(StatusCode(404)),
            ),
        };
    }

    /// All figures, in Prometheus' text format.
    pub fn text(progress: &Progress) -> prometheus::Result<Vec<u8>> {
        let registry = Registry::new();
        let (now, counts) = (progress.snapshot(), progress.counts());
        let counter = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(name, help), labels)
        };
        let gauge =
            |name: &str, help: &str, labels: &[&str]| GaugeVec::new(Opts::new(name, help), labels);
        let add = |c: Box<dyn Collector>| registry.register(c);

        let build = gauge("doge_build_info", "The program: always 1.", &["version", "law"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION"), &LAW.to_string()]).set(1.0);
        add(Box::new(build))?;

        let events = counter("doge_events_total", "Events generated, by type.", &["event"])?;
        for (name, n) in &counts.events {
            events.with_label_values(&[name]).inc_by(*n);
        }
        add(Box::new(events))?;
        let attempts = counter("doge_attempts_total", "Attempts, blocked ones included.", &[])?;
        attempts.with_label_values::<&str>(&[]).inc_by(counts.attempts);
        add(Box::new(attempts))?;
        let blocked = counter("doge_blocked_total", "Attempts that a `when` blocked.", &[])?;
        blocked.with_label_values::<&str>(&[]).inc_by(counts.blocked);
        add(Box::new(blocked))?;

        let time = gauge(
            "doge_simulated_timestamp_seconds",
            "The stream's present, seconds since 1970.",
            &[],
        )?;
        time.with_label_values::<&str>(&[]).set(now.now_ms as f64 / 1e3);
        add(Box::new(time))?;
        let part = gauge("doge_progress_ratio", "The part of the run that is done, 0 to 1.", &[])?;
        part.with_label_values::<&str>(&[]).set(now.part());
        add(Box::new(part))?;
        if let Some(lag) = now.lag_ms {
            let behind =
                gauge("doge_pace_lag_seconds", "How far the run is behind its pace.", &[])?;
            behind.with_label_values::<&str>(&[]).set(lag as f64 / 1e3);
            add(Box::new(behind))?;
        }

        let labels = &["sink", "place"];
        let written = counter("doge_sink_events_total", "Events written.", labels)?;
        let bytes = counter("doge_sink_bytes_total", "Bytes written, where known.", labels)?;
        let commits = counter("doge_sink_commits_total", "Commits.", labels)?;
        let committed = counter("doge_sink_committed_events_total", "Events made final.", labels)?;
        let retries = counter("doge_sink_retries_total", "What was tried again.", labels)?;
        let lag = gauge(
            "doge_sink_lag_seconds",
            "How far what is final is behind the stream's present, in the stream's time.",
            labels,
        )?;
        for output in progress.outputs() {
            let values = [output.destination.as_str(), output.place.as_str()];
            let m = output.meter.read();
            for (family, n) in [
                (&written, m.events),
                (&bytes, m.bytes),
                (&commits, m.commits),
                (&committed, m.committed),
                (&retries, m.retries),
            ] {
                family.with_label_values(&values).inc_by(n);
            }
            if let Some(ms) = m.lag_ms(now.start_ms, now.now_ms) {
                lag.with_label_values(&values).set(ms as f64 / 1e3);
            }
        }
        for family in [written, bytes, commits, committed, retries] {
            add(Box::new(family))?;
        }
        add(Box::new(lag))?;

        let mut out = Vec::new();
        TextEncoder::new().encode(&registry.gather(), &mut out)?;
        Ok(out)
    }
}
