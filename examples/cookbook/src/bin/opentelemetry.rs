//! Sends the spans of its calls to an OpenTelemetry collector: `opentelemetry`. Reads `CHATWORK_API_TOKEN`,
//! `OTEL_EXPORTER_OTLP_ENDPOINT` (such as `http://127.0.0.1:4318`) and `OTEL_SERVICE_NAME`.
use anyhow::Result;
use kaiwa::chatwork;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Instrument, Level, info_span};
use tracing_subscriber::{filter::Targets, prelude::*};

fn main() -> Result<()> {
    let exporter = SpanExporter::builder().with_http().build()?;
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("opentelemetry"));
    // Only these: events of the HTTP library have paths with ids, and the exporter would trace itself.
    let ours = Targets::new().with_target("kaiwa", Level::DEBUG).with_target(module_path!(), Level::INFO);
    tracing_subscriber::registry().with(layer.with_filter(ours)).init();

    let done = work();
    // It sends the rest, also after a failure. It blocks, so it is called outside the runtime.
    let sent = provider.force_flush();
    provider.shutdown()?;
    done?;
    Ok(sent?)
}

#[tokio::main]
async fn work() -> Result<()> {
    async {
        let chatwork = chatwork::Client::from_env()?;
        let me = chatwork.me().await?;
        let tasks = chatwork.room(me.room_id).tasks().await?;
        println!("{}: {} tasks in My Chat", me.name, tasks.len());
        Ok(())
    }
    .instrument(info_span!("tasks of My Chat")) // the parent of the spans of the calls
    .await
}
