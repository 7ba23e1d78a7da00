//! Metrics as OTLP has them: the same instruments that `/metrics` shows, as they stand.

use std::time::SystemTime;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use tonic::Status;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use crate::telemetry::Metrics;
use crate::telemetry::metrics::instrument::{Instrument, Kind, Point, Value};

/// Sends metrics.
pub(super) struct Client<I> {
    collector: MetricsServiceClient<InterceptedService<Channel, I>>,
    resource: Resource,
    began: u64,
}

impl<I: Interceptor> Client<I> {
    pub(super) fn new(
        channel: Channel,
        interceptor: I,
        resource: &opentelemetry_sdk::Resource,
    ) -> Client<I> {
        let attributes = ResourceAttributesWithSchema::from(resource).attributes;
        Client {
            collector: MetricsServiceClient::with_interceptor(channel, interceptor),
            resource: Resource {
                attributes: attributes.0,
                ..Resource::default()
            },
            began: nanos_now(),
        }
    }

    /// How many series there are, and what sends them.
    pub(super) fn send(
        &mut self,
        metrics: &Metrics,
    ) -> (usize, impl Future<Output = Result<(), Status>> + use<'_, I>) {
        let times = Times {
            began: self.began,
            now: nanos_now(),
        };
        let all = metrics.all();
        let mut series = 0;
        let metrics = all.iter().filter_map(|instrument| {
            let points = instrument.points();
            series += points.len();
            (!points.is_empty()).then(|| times.metric(*instrument, &points))
        });
        let scope = ScopeMetrics {
            scope: Some(InstrumentationScope {
                name: "tenure".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                ..InstrumentationScope::default()
            }),
            metrics: metrics.collect(),
            ..ScopeMetrics::default()
        };
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(self.resource.clone()),
                scope_metrics: vec![scope],
                ..ResourceMetrics::default()
            }],
        };
        let collector = &mut self.collector;
        (
            series,
            async move { collector.export(request).await.map(drop) },
        )
    }
}

/// From when to when the numbers are.
#[derive(Clone, Copy)]
struct Times {
    began: u64,
    now: u64,
}

impl Times {
    fn metric(self, instrument: &dyn Instrument, points: &[Point<'_>]) -> Metric {
        let declared = instrument.declared();
        let labelled = points.iter().map(|point| {
            let keys = declared.labels.iter();
            let pairs = keys
                .zip(&point.labels)
                .map(|(key, value)| attribute(key, value));
            (pairs.collect::<Vec<_>>(), &point.value)
        });
        let cumulative = AggregationTemporality::Cumulative.into();
        let data = match declared.kind {
            Kind::Histogram => metric::Data::Histogram(Histogram {
                data_points: labelled
                    .filter_map(|(labels, value)| self.spread(labels, value))
                    .collect(),
                aggregation_temporality: cumulative,
            }),
            Kind::Counter => metric::Data::Sum(Sum {
                data_points: labelled
                    .filter_map(|(labels, value)| self.number(labels, value))
                    .collect(),
                aggregation_temporality: cumulative,
                is_monotonic: true,
            }),
            Kind::Gauge => metric::Data::Gauge(Gauge {
                data_points: labelled
                    .filter_map(|(labels, value)| self.number(labels, value))
                    .collect(),
            }),
        };
        Metric {
            name: declared.name.to_owned(),
            description: declared.about.to_owned(),
            unit: declared.unit.to_owned(),
            data: Some(data),
            ..Metric::default()
        }
    }

    fn number(self, attributes: Vec<KeyValue>, value: &Value) -> Option<NumberDataPoint> {
        let value = match value {
            Value::Count(count) => {
                number_data_point::Value::AsInt(i64::try_from(*count).unwrap_or(i64::MAX))
            }
            Value::Level(level) => number_data_point::Value::AsDouble(*level),
            Value::Spread { .. } => return None,
        };
        Some(NumberDataPoint {
            attributes,
            start_time_unix_nano: self.began,
            time_unix_nano: self.now,
            value: Some(value),
            ..NumberDataPoint::default()
        })
    }

    fn spread(self, attributes: Vec<KeyValue>, value: &Value) -> Option<HistogramDataPoint> {
        let Value::Spread {
            bounds,
            counts,
            sum,
        } = value
        else {
            return None;
        };
        Some(HistogramDataPoint {
            attributes,
            start_time_unix_nano: self.began,
            time_unix_nano: self.now,
            count: counts.iter().sum(),
            sum: Some(*sum),
            bucket_counts: counts.clone(),
            explicit_bounds: bounds.to_vec(),
            ..HistogramDataPoint::default()
        })
    }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(any_value::Value::StringValue(value.to_owned())),
        }),
        ..KeyValue::default()
    }
}

fn nanos_now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}
