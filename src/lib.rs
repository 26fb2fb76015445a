//! Many HTTP transfers at once on Linux: libcurl's `curl_multi_socket` contract, driven by
//! io_uring or epoll.

pub mod error;
pub mod http;
pub mod id;
pub mod limits;
pub mod sys;
pub mod time;
