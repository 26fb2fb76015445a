//! Compiles the few lines of C that Rust cannot say: functions with a variable number of arguments.

fn main() {
    println!("cargo::rerun-if-changed=c");
    cc::Build::new()
        .file("c/printf.c")
        .file("c/formadd.c")
        .warnings(true)
        .extra_warnings(true)
        .compile("ringdove_curl_c");
}
