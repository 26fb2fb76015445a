//! The crawler's parts as others use them.

mod robots;
mod robots_commons;
mod robots_google;
mod warc;
