//! A body into a file, as fast as that takes it: `download URL FILE`.

use std::error::Error;

use ringdove_client::Client;
use tokio::io::AsyncWriteExt as _;

/// The server waits where the file does.
pub(crate) async fn download(url: &str, path: &str) -> Result<u64, Box<dyn Error>> {
    let mut response = Client::new().get(url).send().await?.error_for_status()?;
    let mut file = tokio::fs::File::create(path).await?;
    let mut written = 0;
    while let Some(chunk) = response.chunk().await? {
        file.write_all(&chunk).await?;
        written += chunk.len() as u64;
    }
    file.flush().await?;
    Ok(written)
}

#[allow(dead_code, reason = "a test runs what this calls")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(path)) = (args.next(), args.next()) else { return Err("URL FILE".into()) };
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    println!("{} bytes", runtime.block_on(download(&url, &path))?);
    Ok(())
}
