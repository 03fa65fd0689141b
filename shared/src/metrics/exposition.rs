//! Prometheus' text format, version 0.0.4.

use std::fmt::Write;

use super::families::{BOUNDS, Family, Kind};
use super::totals::{Numbers, Totals};

/// All series, each family behind its help and its type.
pub(super) fn text(totals: &Totals) -> String {
    let mut text = String::new();
    for (family, series) in totals.families() {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        line(&mut text, format_args!("# HELP {} {}", family.name, family.help));
        line(&mut text, format_args!("# TYPE {} {kind}", family.name));
        for (labels, numbers) in series {
            let labels = labelled(family, labels);
            match family.kind {
                Kind::Counter | Kind::Gauge => sample(&mut text, family, "", &labels, numbers.count),
                Kind::Histogram => histogram(&mut text, family, &labels, numbers),
            }
        }
    }
    text
}

/// Each bucket has those below it, too.
fn histogram(text: &mut String, family: &Family, labels: &[String], numbers: &Numbers) {
    let bounds = BOUNDS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
    let mut count = 0;
    for (bound, bucket) in bounds.zip(numbers.buckets) {
        count += bucket;
        let labels = [labels, &[format!(r#"le="{bound}""#)]].concat();
        sample(text, family, "_bucket", &labels, count);
    }
    let seconds = format!("{}.{:06}", numbers.micros / 1_000_000, numbers.micros % 1_000_000);
    sample(text, family, "_sum", labels, seconds);
    sample(text, family, "_count", labels, count);
}

fn sample(
    text: &mut String,
    family: &Family,
    suffix: &str,
    labels: &[String],
    value: impl std::fmt::Display,
) {
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    line(text, format_args!("{}{suffix}{labels} {value}", family.name));
}

fn labelled(family: &Family, values: &[String]) -> Vec<String> {
    let pairs = family.labels.iter().zip(values);
    pairs.map(|(name, value)| format!(r#"{name}="{}""#, escaped(value))).collect()
}

fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n")
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a String takes all that is written to it");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::families::{self, ALL};
    use crate::metrics::totals::{Part, field};

    fn totals(fields: &[(&str, i64)]) -> Totals {
        let mut totals = Totals::default();
        for (field, count) in fields {
            totals.add(field, *count);
        }
        totals
    }

    #[test]
    fn series_of_a_family_stand_together_behind_its_help_and_type() {
        let sent = |via| field(&families::SENT, Part::Count, &[via]);
        let mut totals = totals(&[(&sent("websocket"), 2), (&sent("http"), 1), (&sent("websocket"), 40)]);
        totals.set(&families::LIVE, 7);

        assert_eq!(
            text(&totals),
            "# HELP chat_messages_sent_total Messages committed, each once however often it was sent.
# TYPE chat_messages_sent_total counter
chat_messages_sent_total{via=\"http\"} 1
chat_messages_sent_total{via=\"websocket\"} 42
# HELP chat_connections Open connections, as Redis knows them.
# TYPE chat_connections gauge
chat_connections 7
"
        );
    }

    #[test]
    fn a_bucket_holds_those_below_it_and_the_sum_is_in_seconds() {
        let of = |part| field(&families::COMMAND_DURATION, part, &["ping"]);
        let micros = of(Part::Micros);
        let text = text(&totals(&[
            (&of(Part::Bucket(0)), 3),
            (&of(Part::Bucket(2)), 4),
            (&of(Part::Bucket(13)), 1),
            (&micros, 11_000_042),
        ]));

        for line in [
            r#"chat_command_duration_seconds_bucket{command="ping",le="0.001"} 3"#,
            r#"chat_command_duration_seconds_bucket{command="ping",le="0.0025"} 3"#,
            r#"chat_command_duration_seconds_bucket{command="ping",le="0.005"} 7"#,
            r#"chat_command_duration_seconds_bucket{command="ping",le="10"} 7"#,
            r#"chat_command_duration_seconds_bucket{command="ping",le="+Inf"} 8"#,
            r#"chat_command_duration_seconds_sum{command="ping"} 11.000042"#,
            r#"chat_command_duration_seconds_count{command="ping"} 8"#,
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\nis not in\n{text}");
        }
    }

    #[test]
    fn a_labels_value_is_escaped() {
        let text = text(&totals(&[(&field(&families::REFUSED, Part::Count, &["a\"b\\c\nd"]), 1)]));

        assert!(text.contains(r#"{reason="a\"b\\c\nd"} 1"#), "{text}");
    }

    #[test]
    fn what_another_version_counted_is_left_out() {
        let totals = totals(&[
            ("no JSON", 1),
            (r#"["chat_unknown_total","count",[]]"#, 1),
            (r#"["chat_messages_sent_total","count",[]]"#, 1),
            (r#"["chat_messages_sent_total","median",["http"]]"#, 1),
        ]);

        assert_eq!(text(&totals), "");
    }

    #[test]
    fn names_are_unique_and_as_prometheus_has_them() {
        for (place, family) in ALL.iter().enumerate() {
            assert!(family.name.starts_with("chat_"), "{}", family.name);
            assert_eq!(family.kind == Kind::Counter, family.name.ends_with("_total"), "{}", family.name);
            assert!(family.kind != Kind::Histogram || family.name.ends_with("_seconds"), "{}", family.name);
            assert!(ALL[..place].iter().all(|other| other.name != family.name), "{} twice", family.name);
            assert!(family.help.ends_with('.') && !family.help.contains(['\\', '\n']), "{}", family.name);
        }
    }
}
