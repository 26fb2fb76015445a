//! Fetches all URLs that it is given, at once: `cargo run --example fetch_many -- URL…`
//!
//! The example of the README.

use ringdove::{Collect, Config, Driver, Request};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut driver = Driver::auto(Config::default())?;
    for url in std::env::args().skip(1) {
        driver.add(Request::get(&url)?, Box::new(Collect::default()))?;
    }
    while driver.running() > 0 {
        driver.turn(None)?;
        while let Some(message) = driver.next_message() {
            let (outcome, page) = message.into_parts::<Collect>().expect("as added");
            match outcome.result {
                Ok(response) => {
                    let (bytes, total) = (page.body.len(), outcome.report.times.total);
                    println!("{}: {bytes} bytes in {total:?}", response.status);
                }
                Err(error) => eprintln!("{error}; retry: {:?}", error.retry()),
            }
        }
    }
    Ok(())
}
