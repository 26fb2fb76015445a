//! Dates of fields and of cookies: any bytes are a date or none; and what is said about asking again is a wait or none.

#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use ringdove::CookieJar;
use ringdove::protocol::Date;

use support::{origin, with_head};

fuzz_target!(|input: &[u8]| {
    if let Some(date) = Date::parse(input) {
        assert!(date <= Date::LAST, "{date:?}");
        assert_eq!(Some(date), Date::parse(input), "the same bytes say the same");
        // a date as fields have it is read as it was meant
        if let Ok(seconds) = u64::try_from(date.unix()) {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            let text = httpdate::fmt_http_date(time);
            assert_eq!(Date::parse(text.as_bytes()), Some(date), "{text}");
        }
    }
    let cookie = [b"a=b; Expires=", input].concat();
    with_head(200, "Set-Cookie", &cookie, |head| {
        let jar = CookieJar::new();
        jar.store(&origin("http://a.example/"), "/", head, Date::from_unix(1_700_000_000));
        // each line is a field by itself
        assert!(jar.len() <= input.split(|&byte| byte == b'\n').count());
    });
});
