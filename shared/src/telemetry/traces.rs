//! Traces: a span for each invocation and one for each call to a store within it, exported over OTLP before the
//! invocation answers, because nothing runs after it. Without an endpoint there are none, and they cost nothing.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceContextExt, TraceId, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue, trace};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanExporter as _, SpanProcessor,
};

use super::invocation::{self, Served};
use crate::config::Traces;
use crate::https;

/// How long an invocation waits at most for its trace to be taken.
const EXPORT_TIMEOUT: Duration = Duration::from_millis(500);
/// How long nothing is exported after a collector did not take a trace.
const PAUSE: Duration = Duration::from_secs(30);
const TRACEPARENT: &str = "traceparent";

static EXPORT: OnceLock<Export> = OnceLock::new();

struct Export {
    tracer: SdkTracer,
    finished: Finished,
    exporter: SpanExporter,
    paused_until: Mutex<Option<Instant>>,
}

pub(super) fn init(config: &Traces, function: &str) -> anyhow::Result<()> {
    let finished = Finished::default();
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Collector(https::client()?))
        .with_endpoint(format!("{}/v1/traces", config.endpoint.trim_end_matches('/')))
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .context("OTEL_EXPORTER_OTLP_ENDPOINT")?;
    let resource = Resource::builder_empty()
        .with_service_name("chat")
        .with_attribute(KeyValue::new("faas.name", function.to_owned()))
        .build();
    exporter.set_resource(&resource);
    let provider = SdkTracerProvider::builder()
        .with_span_processor(finished.clone())
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.sampled))))
        .with_resource(resource)
        .build();
    let export =
        Export { tracer: provider.tracer("chat"), finished, exporter, paused_until: Mutex::default() };
    let _set_once = EXPORT.set(export);
    Ok(())
}

/// What a trace goes on from.
pub(super) enum Parent {
    Span(SpanContext),
    /// The trace header of AWS names the trace. Whether it is sampled, and its spans, are the matter of X-Ray alone.
    Trace(TraceId),
}

impl Parent {
    pub(super) fn of_traceparent(header: &str) -> Option<Self> {
        let headers = HashMap::from([(TRACEPARENT.to_owned(), header.to_owned())]);
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &headers);
        let span = context.span().span_context().clone();
        span.is_valid().then_some(Self::Span(span))
    }

    /// Of `Root=1-<8 hex>-<24 hex>;…` (Lambda Developer Guide, "Tracing header").
    pub(super) fn of_amazon_trace(header: &str) -> Option<Self> {
        let root = header.split(';').find_map(|part| part.trim().strip_prefix("Root=1-"))?;
        let trace = TraceId::from_hex(&root.replace('-', "")).ok()?;
        (trace != TraceId::INVALID).then_some(Self::Trace(trace))
    }

    pub(super) fn trace_id(&self) -> String {
        match self {
            Self::Span(span) => span.trace_id().to_string(),
            Self::Trace(trace) => trace.to_string(),
        }
    }

    pub(super) fn traceparent(self) -> Option<String> {
        match self {
            Self::Span(span) => Some(traceparent(&span)),
            Self::Trace(_) => None,
        }
    }
}

fn traceparent(span: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8())
}

/// The span of an invocation.
pub(super) struct Span(Context);

/// Begins the span of an invocation, where traces are exported.
pub(super) fn begin(parent: Option<&Parent>, is_job: bool) -> Option<Span> {
    let export = EXPORT.get()?;
    let context = Context::new();
    let context = match parent {
        Some(Parent::Span(span)) => context.with_remote_span_context(span.clone()),
        Some(Parent::Trace(_)) | None => context,
    };
    let kind = if is_job { SpanKind::Consumer } else { SpanKind::Server };
    let span = export.tracer.span_builder("invocation").with_kind(kind);
    Some(Span(context.with_span(span.start_with_context(&export.tracer, &context))))
}

impl Span {
    pub(super) fn trace_id(&self) -> String {
        self.0.span().span_context().trace_id().to_string()
    }

    pub(super) fn traceparent(&self) -> String {
        traceparent(self.0.span().span_context())
    }

    pub(super) fn end(
        &self,
        served: Served<'_>,
        failed: bool,
        facts: impl Iterator<Item = (&'static str, String)>,
    ) {
        let span = self.0.span();
        span.update_name(name(served));
        span.set_attributes(attributes(served));
        span.set_attributes(facts.map(|(name, fact)| KeyValue::new(name, fact)));
        if failed {
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

fn name(served: Served<'_>) -> String {
    match served {
        Served::Request { method, route, .. } => format!("{method} {route}"),
        Served::Handshake { .. } => "connect".to_owned(),
        Served::Frame { command, .. } => command.to_owned(),
        Served::Disconnect => "disconnect".to_owned(),
        Served::Job => "job".to_owned(),
    }
}

/// By the names of OpenTelemetry's semantic conventions where they have one.
fn attributes(served: Served<'_>) -> Vec<KeyValue> {
    let status = |status: u16| KeyValue::new("http.response.status_code", i64::from(status));
    match served {
        Served::Request { method, route, status: code } => vec![
            KeyValue::new("http.request.method", method.to_owned()),
            KeyValue::new("http.route", route.to_owned()),
            status(code),
        ],
        Served::Handshake { status: code } => vec![status(code)],
        Served::Frame { code, .. } => vec![KeyValue::new("code", code.to_owned())],
        Served::Disconnect | Served::Job => Vec::new(),
    }
}

/// What is said of a call: never a value of a caller's.
#[derive(Clone, Copy, Debug)]
pub enum Call<'a> {
    /// So many commands to Redis at once.
    Redis(usize),
    /// A statement, whose parameters stand apart.
    Postgres(&'a str),
    /// An asynchronous invocation of a function.
    Invoke(&'a str),
    /// A frame to a connection.
    Post,
    /// A mail.
    Mail,
    /// A secret of Secrets Manager.
    Secret,
}

impl Call<'_> {
    fn name(self) -> &'static str {
        match self {
            Self::Redis(_) => "redis",
            Self::Postgres(_) => "postgres",
            Self::Invoke(_) => "lambda invoke",
            Self::Post => "post to connection",
            Self::Mail => "ses send email",
            Self::Secret => "secretsmanager get secret value",
        }
    }

    /// By the names of OpenTelemetry's semantic conventions.
    fn attributes(self) -> Vec<KeyValue> {
        match self {
            Self::Redis(commands) => vec![
                KeyValue::new("db.system.name", "redis"),
                KeyValue::new("db.operation.batch.size", i64::try_from(commands).unwrap_or(i64::MAX)),
            ],
            Self::Postgres(statement) => vec![
                KeyValue::new("db.system.name", "postgresql"),
                KeyValue::new("db.query.text", statement.to_owned()),
            ],
            Self::Invoke(function) => vec![KeyValue::new("faas.invoked_name", function.to_owned())],
            Self::Post | Self::Mail | Self::Secret => Vec::new(),
        }
    }
}

/// Runs a call to a store or to AWS as a span of the current invocation.
pub async fn traced<T>(call: Call<'_>, work: impl Future<Output = T>, failed: impl FnOnce(&T) -> bool) -> T {
    let span = invocation::with_span(|Span(parent)| {
        let export = EXPORT.get()?;
        let span = export.tracer.span_builder(call.name()).with_kind(SpanKind::Client);
        let span = span.with_attributes(call.attributes());
        Some(span.start_with_context(&export.tracer, parent))
    });
    let done = work.await;
    if let Some(mut span) = span.flatten() {
        if failed(&done) {
            trace::Span::set_status(&mut span, Status::error(""));
        }
        trace::Span::end(&mut span);
    }
    done
}

/// Exports what has ended. A collector that is down costs one invocation in a while the wait for it, and no more.
pub(super) async fn export() {
    let Some(export) = EXPORT.get() else { return };
    let spans = std::mem::take(&mut *export.finished.0.lock().expect(UNPOISONED));
    let is_paused = export.paused_until.lock().expect(UNPOISONED).is_some_and(|until| Instant::now() < until);
    if spans.is_empty() || is_paused {
        return;
    }
    let taken = tokio::time::timeout(EXPORT_TIMEOUT, export.exporter.export(spans)).await;
    let failure = match taken {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {EXPORT_TIMEOUT:?}"),
    };
    *export.paused_until.lock().expect(UNPOISONED) = Some(Instant::now() + PAUSE);
    tracing::warn!(cause = failure, "a trace was not taken, nor will be those of the next {PAUSE:?}");
}

const UNPOISONED: &str = "nobody panics while holding it";

/// Spans that have ended and are not exported yet.
#[derive(Clone, Debug, Default)]
struct Finished(Arc<Mutex<Vec<SpanData>>>);

impl SpanProcessor for Finished {
    fn on_start(&self, _: &mut opentelemetry_sdk::trace::Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().expect(UNPOISONED).push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The way to the collector.
struct Collector(https::Client);

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collector")
    }
}

impl HttpClient for Collector {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> BoxFuture<'b, Result<Response<Bytes>, HttpError>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let (parts, body) = self.0.request(request.map(Full::new)).await?.into_parts();
            Ok(Response::from_parts(parts, body.collect().await?.to_bytes()))
        })
    }
}
