//! Files of logins: any text is read, or refused with a line that it has; a login is for its machine alone.

#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use ringdove::protocol::Netrc;

use support::origin;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    match Netrc::parse(&text) {
        Ok(netrc) => {
            let host = origin("http://a.example/");
            let found = netrc.login(host.host(), None).is_some();
            assert!(!found || text.contains("login") || text.contains("password"));
            let stranger = origin("http://nobody.invalid/");
            let told = netrc.login(stranger.host(), None).is_some();
            assert!(!told || text.contains("default") || text.contains("invalid"), "{text:?}");
            netrc.login(host.host(), Some(b"me"));
        }
        Err(error) => {
            assert!((1..=text.split('\n').count()).contains(&error.line), "{error:?}");
            assert!(!error.what.is_empty());
        }
    }
});
