//! `-w`: what is told of transfers in words of the caller's own.

use serde_json::Value;

use crate::command::Ringdove;
use ringdove_test_support::hostile::{Plan, Script};

#[test]
fn an_object_has_all_of_a_transfer() {
    let server = Plan::new().path("/", Script::new().ok("three")).start();
    let url = server.url("/");
    let ended = Ringdove::fetch(["--discard", "-q", "-w", "%{json}", &url]).run().exits(0);
    let told: Value = serde_json::from_str(&ended.text()).expect("JSON");
    assert_eq!((&told["http_code"], &told["size_download"]), (&200.into(), &5.into()));
    assert_eq!((&told["url"], &told["exitcode"]), (&Value::from(url), &0.into()));
    assert_eq!((&told["errormsg"], &told["num_connects"]), (&Value::Null, &1.into()));
    let time = |name: &str| told[name].as_f64().expect("a number");
    assert!(time("time_connect") <= time("time_starttransfer"), "{told}");
    assert!(0.0 < time("time_total") && time("time_starttransfer") <= time("time_total"), "{told}");
}

#[test]
fn failures_are_told_too() {
    let format = "%{exitcode} %{http_code} %{errormsg}\\n";
    let refused = "http://127.0.0.1:1/";
    let ended = Ringdove::fetch(["-w", format, refused, "no URL"]).run().exits(1).text();
    let lines: Vec<_> = ended.lines().collect();
    let [refused, bad] = lines[..] else { panic!("{ended}") };
    assert!(refused.starts_with("1 000 ") && refused.contains("refused"), "{ended}");
    assert!(bad.starts_with("1 000 bad URL"), "{ended}");
    let ended = Ringdove::fetch(["-w", "%{what}", "http://127.0.0.1:1/"]).run().exits(1);
    assert_eq!(ended.says(&["-w: no variable 'what'"]).text(), "");
}
