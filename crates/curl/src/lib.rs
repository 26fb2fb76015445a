//! A `libcurl.so.4` over ringdove.
//!
//! A program that was linked against libcurl runs on this library unchanged: the functions, the numbers and the structs are
//! those of curl.h, and behind them is ringdove's public API, as any other program could use it. `scripts/libcurl DIR` builds
//! the shared library; what each option comes to is in `OPTIONS.md`.
//!
//! # Who owns what
//!
//! * A **handle** is a shell that is never given back to the allocator (`edge::handle`). A magic number says of which kind it
//!   is while it is one, so that null, freed and foreign pointers are answered by curl's error codes. Behind it is a counted
//!   value: who works with it keeps it, whatever becomes of the handle.
//! * An **easy handle** is what was set (by number, in one table) and what there is of its transfer. Texts and blobs are copied
//!   when they are set; lists, callbacks and what these get stay the program's, as curl documents it.
//! * A **multi** has two carriers (`multi::carriers`), of which each transfer is with one from its beginning to its end. With a
//!   socket callback it is a `ringdove::Multi`, of which the program watches the sockets. Without one it is a `ringdove::Driver`
//!   on the ring, whose one descriptor curl_multi_fdset() gives out; its ring has no thread of its own, since handles go from
//!   thread to thread. Transfers whose sockets callbacks are told of, and all where there is no ring, are with the first, in an
//!   epoll of ours. curl_easy_perform() has a multi of its own, which is where its connections stay.
//! * **Callbacks** run while the engine is borrowed: whoever calls back is answered CURLM_RECURSIVE_API_CALL, and a pause is
//!   made when the callback is over. Nothing of a handle is borrowed meanwhile, so setting options and asking for infos works.
//!   The callback of notifications alone runs once the engine is done, and may add and remove handles.
//! * Memory that C frees comes from curl_global_init_mem()'s functions, and nothing else does.
//! * A **panic** ends at the edge and becomes an error.
//!
//! # The edge
//!
//! `unsafe` stands in the files that C's pointers come into, each of which says so at its top. Functions with a variable
//! number of arguments are C (`c/`), but for the setopt and getinfo functions, which take one: on x86-64 and AArch64 Linux it
//! travels as a third argument of fixed type does.
//!
//! The shared library is linked by the C compiler from the static one: rustc's own link of a cdylib has an anonymous version
//! script, beside which there can be no named one, and leaves out what C exports.

mod codes;
mod easy;
mod edge;
mod errors;
mod escape;
mod getdate;
mod global;
mod mime;
mod multi;
pub mod options;
mod share;
mod slist;
mod url;
mod version;
mod websocket;
mod which;

pub use easy::info::{INFOS, Row as InfoRow};
pub use multi::{MULTI_OPTIONS, MultiRow};
