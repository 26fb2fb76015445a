//! Tells the clients which versions of their libraries the lock file holds, for the record.

fn main() {
    println!("cargo::rerun-if-changed=Cargo.lock");
    let lock = std::fs::read_to_string("Cargo.lock").expect("the lock file is committed");
    for name in ["hyper", "io-uring", "reqwest", "ringline-http"] {
        let package = format!("name = \"{name}\"\nversion = \"");
        let (_, rest) = lock.split_once(&package).expect("the package is locked");
        let (version, _) = rest.split_once('"').expect("the version is quoted");
        let variable = name.to_ascii_uppercase().replace('-', "_");
        println!("cargo::rustc-env=PEER_{variable}_VERSION={version}");
    }
}
