//! `-L` and what goes with it.

use crate::both::{Case, compare};
use ringdove_test_support::hostile::{Framing, Plan, Script};

fn moved(status: u16, location: &str) -> Script {
    let head = format!("{status} Moved\r\nLocation: {location}");
    Script::new().respond(&head, Framing::ContentLength, "moved")
}

fn server() -> Plan {
    let statuses = [300, 301, 302, 303, 304, 305, 307, 308];
    let plan = statuses.into_iter().fold(Plan::new(), |plan, status| {
        plan.path(&format!("/{status}"), moved(status, "/end?from=here"))
    });
    plan.path("/end", Script::new().ok("the end"))
        .path("/a/b", moved(302, "../up"))
        .path("/up", moved(302, "//127.0.0.1:1/x"))
        .path("/dir/", moved(302, "sibling"))
        .path("/dir/sibling", Script::new().ok("sibling"))
        .path("/loop", moved(302, "/loop"))
        .path("/ping", moved(302, "/pong"))
        .path("/pong", moved(307, "/ping"))
        .path("/none", Script::new().respond("302 Moved", Framing::ContentLength, "no Location"))
        .path("/ftp", moved(302, "ftp://127.0.0.1/x"))
        .path("/one-slash", moved(302, "http:/127.0.0.1:1/x"))
        .path("/space", moved(302, "/with space"))
        .path("/with%20space", Script::new().ok("space"))
        .path("/fragment", moved(302, "/end#part"))
}

pub(crate) const CASES: &[Case] = &[
    Case::new("not followed unless asked", &["URL/301"]),
    Case::new("301", &["-L", "URL/301"]),
    Case::new("302", &["-L", "URL/302"]),
    Case::new("303", &["-L", "URL/303"]),
    Case::new("307", &["-L", "URL/307"]),
    Case::new("308", &["-L", "URL/308"]),
    Case::new("300 has a choice", &["-L", "URL/300"]).differs("Which statuses redirect"),
    Case::new("POST by 301", &["-L", "-d", "a=1", "URL/301"]),
    Case::new("POST by 302", &["-L", "-d", "a=1", "URL/302"]),
    Case::new("POST by 303", &["-L", "-d", "a=1", "URL/303"]),
    Case::new("POST by 307", &["-L", "-d", "a=1", "URL/307"]),
    Case::new("POST by 308", &["-L", "-d", "a=1", "URL/308"]),
    Case::new("--post301", &["-L", "--post301", "-d", "a=1", "URL/301"]),
    Case::new("--post302", &["-L", "--post302", "-d", "a=1", "URL/302"]),
    Case::new("--post303", &["-L", "--post303", "-d", "a=1", "URL/303"]),
    Case::new("HEAD by 302", &["-L", "-I", "URL/302"]),
    Case::new("HEAD by 303", &["-L", "-I", "URL/303"]),
    Case::new("a relative Location, and a dead end", &["-L", "URL/a/b"]),
    Case::new("a sibling", &["-L", "URL/dir/"]),
    Case::new("no more than --max-redirs", &["-L", "--max-redirs", "0", "URL/302"]),
    Case::new("a loop", &["-L", "--max-redirs", "5", "URL/loop"]),
    Case::new("two hops in turn", &["-L", "--max-redirs", "7", "URL/ping"]),
    Case::new("without Location", &["-L", "URL/none"]),
    Case::new("to another protocol", &["-L", "URL/ftp"]),
    Case::new("http:/host", &["-L", "URL/one-slash"]).differs("Locations that are no URLs"),
    Case::new("with a space", &["-L", "URL/space"]),
    Case::new("a fragment is not sent", &["-L", "URL/fragment"]),
    Case::new("fields go along", &["-L", "-H", "X-A: b", "-A", "me", "-e", "http://x/", "URL/302"]),
];

#[test]
fn redirects_are_followed_as_curl_does() {
    compare(CASES, server, &[]);
}
