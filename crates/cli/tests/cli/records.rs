//! One JSON object for each transfer, with the fields that are promised.

use serde_json::{Value, json};

use crate::command::{Ringdove, drivers};
use ringdove_test_support::dead_end::Refusing;
use ringdove_test_support::nginx::Nginx;

const FIELDS: [&str; 19] = [
    "attempts",
    "url",
    "line",
    "status",
    "error",
    "exhausted",
    "undecoded",
    "body_bytes",
    "decoded_bytes",
    "wire_received",
    "wire_sent",
    "remote",
    "reused",
    "http_version",
    "resent",
    "file",
    "times",
    "hops",
    "retried",
];

const TIMES: [&str; 7] = ["queue", "resolve", "connect", "proxy", "tls", "first_byte", "total"];

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> =
        value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn sorted<const N: usize>(mut names: [&str; N]) -> Vec<&str> {
    names.sort_unstable();
    names.to_vec()
}

#[test]
fn every_transfer_has_its_record_on_every_driver() {
    let nginx = Nginx::plain();
    let refusing = Refusing::start().expect("an address that refuses");
    let refused = format!("http://{}/", refusing.addr());
    let list = [&nginx.url("/ok"), "# passed over", &nginx.url("/none"), &refused, "nonsense://x"];
    for driver in drivers() {
        let ended =
            Ringdove::fetch(["--jsonl", "--driver", driver, "--connections", "1", "-i", "-"])
                .stdin(list.join("\n"))
                .run()
                .exits(1);
        let mut records: Vec<Value> =
            ended.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        records.sort_by_key(|record| record["line"].as_u64());
        for record in &records {
            assert_eq!(keys(record), sorted(FIELDS), "{record}");
            assert_eq!(keys(&record["times"]), sorted(TIMES), "{record}");
            let numbers = record["times"].as_object().expect("an object").values();
            assert!(numbers.into_iter().all(Value::is_u64), "{record}");
        }
        let [ok, none, refused, nonsense] = &records[..] else { panic!("{records:?}") };
        let addr = nginx.addr().to_string();

        assert_eq!(ok["url"], list[0]);
        assert_eq!((&ok["line"], &ok["status"]), (&json!(1), &json!(200)));
        assert_eq!((&ok["error"], &ok["body_bytes"]), (&Value::Null, &json!(12)));
        assert_eq!((&ok["remote"], &ok["reused"]), (&json!(addr), &json!(false)));
        assert_eq!(ok["http_version"], "1.1");
        assert!(ok["wire_received"].as_u64() > Some(100) && ok["wire_sent"].as_u64() > Some(50));
        assert!(ok["times"]["total"].as_u64() > Some(0));

        assert_eq!((&none["status"], &none["reused"]), (&json!(404), &json!(true)));
        assert_eq!(none["error"], Value::Null);

        let error = &refused["error"];
        assert_eq!(keys(error), ["kind", "message", "phase", "retryable"]);
        assert_eq!((&error["kind"], &error["phase"]), (&json!("os"), &json!("connect")));
        assert!(error["message"].as_str().expect("text").contains("refused"), "{error}");
        assert_eq!(error["retryable"], true);
        assert_eq!((&refused["status"], &refused["http_version"]), (&Value::Null, &Value::Null));

        assert_eq!((&nonsense["url"], &nonsense["line"]), (&json!("nonsense://x"), &json!(5)));
        assert_eq!(nonsense["error"]["kind"], "input");
        // the records say it: standard error has the summary alone
        assert!(!ended.stderr.contains("ringdove:"), "{}", ended.stderr);
    }
}

#[test]
fn a_post_that_may_have_been_acted_upon_is_not_retryable() {
    use ringdove_test_support::hostile::{Plan, Script};
    let server = Plan::new().connection(Script::new().read_head().read_body().reset()).start();
    for (args, retryable) in [(&["-X", "GET"], true), (&["-d", "x"], false)] {
        let ended = Ringdove::fetch(args).args(["--jsonl", &server.url("/")]).run().exits(1);
        let record: Value = serde_json::from_str(&ended.text()).expect("JSON");
        assert_eq!(record["error"]["phase"], "first-byte", "{record}");
        assert_eq!(record["error"]["retryable"], retryable, "{record}");
    }
}
