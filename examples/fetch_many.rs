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
            match message.outcome.result.clone() {
                Ok(response) => {
                    let times = message.outcome.report.times;
                    let body = message.into_handler::<Collect>().expect("as added").body;
                    println!("{}: {} bytes in {:?}", response.status, body.len(), times.total);
                }
                Err(error) => eprintln!("{error}; retry: {:?}", error.retry()),
            }
        }
    }
    Ok(())
}
