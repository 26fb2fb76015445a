//! The head of a response as it is kept: true of the body that is kept with it.
//!
//! Knows field lines. A body is kept without its transfer coding, so what said how it was framed is renamed, and Content-Length says
//! what there is. (What came of HTTP/2 has no transfer coding, and a status line of HTTP/1.1.)

/// Before the name of a field that is not true of what is kept; that is what Common Crawl does, too.
const RENAMED: &str = "X-Crawler-";

/// The head to be kept with a body of `length` bytes, from the head as it came. What is cut away of a body is said by the record; its
/// Content-Length still is that of what is kept.
pub(super) fn kept_head(head: &[u8], length: usize) -> Vec<u8> {
    let mut kept = Vec::with_capacity(head.len() + 64);
    let mut lines = lines(head);
    kept.extend_from_slice(lines.next().unwrap_or(b"HTTP/1.1 200 OK"));
    kept.extend_from_slice(b"\r\n");
    let mut told = false;
    for line in lines.take_while(|line| !line.is_empty()) {
        let is_length = names(line, "content-length");
        let is_true = is_length && !told && value(line) == length.to_string().as_bytes();
        told |= is_true;
        if names(line, "transfer-encoding") || is_length && !is_true {
            kept.extend_from_slice(RENAMED.as_bytes());
        }
        kept.extend_from_slice(line);
        kept.extend_from_slice(b"\r\n");
    }
    if !told {
        kept.extend_from_slice(format!("Content-Length: {length}\r\n").as_bytes());
    }
    kept.extend_from_slice(b"\r\n");
    kept
}

/// What is wrong with a head that is kept with a body of `length` bytes.
pub(super) fn faults_of(head: &[u8], length: u64) -> Option<String> {
    for line in lines(head).skip(1) {
        if names(line, "transfer-encoding") {
            return Some(
                "the head of HTTP has a Transfer-Encoding: coding or field are left".to_owned(),
            );
        }
        if names(line, "content-length") && value(line) != length.to_string().as_bytes() {
            let told = String::from_utf8_lossy(value(line)).into_owned();
            return Some(format!(
                "the Content-Length of HTTP is {told}, and there are {length} bytes"
            ));
        }
    }
    None
}

/// The status of a head, and its Content-Type.
pub(super) fn status_and_type(head: &[u8]) -> (Option<String>, Option<String>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let status = lines(head).next().and_then(|line| line.split(|byte| *byte == b' ').nth(1));
    let media = lines(head).skip(1).find(|line| names(line, "content-type"));
    (status.map(text).filter(|status| !status.is_empty()), media.map(|line| text(value(line))))
}

/// Where the head at the beginning of `bytes` ends.
pub(super) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    end.map(|end| end + 4)
}

fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn names(line: &[u8], name: &str) -> bool {
    line.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name.as_bytes()))
        && line[name.len()..].trim_ascii_start().starts_with(b":")
}

fn value(line: &[u8]) -> &[u8] {
    let colon = line.iter().position(|byte| *byte == b':').map_or(line.len(), |at| at + 1);
    line[colon..].trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_true() {
        let table = [
            (
                "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\n\r\n",
                "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\n\r\n",
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n",
                "HTTP/1.1 200 OK\r\nX-Crawler-transfer-encoding: chunked\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n",
            ),
            (
                "HTTP/1.0 404\nContent-Length : 9\n\n",
                "HTTP/1.0 404\r\nX-Crawler-Content-Length : 9\r\nContent-Length: 5\r\n\r\n",
            ),
            ("HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ];
        for (head, expected) in table {
            let kept = kept_head(head.as_bytes(), 5);
            assert_eq!(String::from_utf8_lossy(&kept), expected);
            assert_eq!(faults_of(&kept, 5), None);
            assert!(faults_of(&kept, 6).is_some());
        }
        assert!(faults_of(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 5).is_some());
    }
}
