//! Header blocks of the client, and what is wrong with the fields in them.
//!
//! The decoder is the crate `httlib-hpack`; what it does not look at is looked at here: where a table's size may change, how
//! large it may be, and that the client makes its own smaller when it has to (RFC 7541, 4.2; RFC 9113, 4.3.1).

use httlib_hpack::Decoder;

use super::limits::Said;

/// Decodes all blocks of a client, in order.
#[derive(Debug)]
pub(super) struct FieldDecoder {
    decoder: Decoder<'static>,
    /// Of the client's table, as it said last.
    table: u32,
    /// The smallest size that was put in force since the client said its own last.
    least: Option<u32>,
}

/// Fields in their order.
pub(super) type FieldList = Vec<(String, String)>;

impl FieldDecoder {
    pub(super) fn new() -> FieldDecoder {
        FieldDecoder { decoder: Decoder::with_dynamic_size(4096), table: 4096, least: None }
    }

    /// The client has acknowledged this size.
    pub(super) fn acknowledged(&mut self, table: u32) {
        self.least = Some(self.least.map_or(table, |least| least.min(table)));
    }

    /// The fields, or why there are none. What else is wrong is added to `wrong`.
    pub(super) fn decode(
        &mut self,
        block: &[u8],
        said: &Said,
        wrong: &mut Vec<String>,
    ) -> Result<FieldList, String> {
        let most = said.most(|limits| limits.table);
        self.sizes(block, most, wrong)?;
        self.decoder.set_max_dynamic_size(most);
        let (mut block, mut list) = (block.to_vec(), Vec::new());
        self.decoder
            .decode(&mut block, &mut list)
            .map_err(|error| format!("a header block cannot be decoded: {error:?}"))?;
        let text = |bytes: Vec<u8>| bytes.into_iter().map(char::from).collect::<String>();
        Ok(list.into_iter().map(|(name, value, _)| (text(name), text(value))).collect())
    }

    /// The changes of the table's size that a block begins with.
    fn sizes(&mut self, block: &[u8], most: u32, wrong: &mut Vec<String>) -> Result<(), String> {
        let said = scan(block)?;
        if let Some(size) = said.iter().find(|&&size| size > most) {
            return Err(format!("a table of {size} bytes, of at most {most}"));
        }
        if let Some(least) = self.least.take()
            && least < self.table
            && said.first().is_none_or(|&first| first > least)
        {
            wrong
                .push(format!("a table of {} bytes was not made smaller than {least}", self.table));
        }
        self.table = said.last().copied().unwrap_or(self.table);
        Ok(())
    }
}

/// The sizes that a block gives the table before all fields, if the rest of it is whole: the decoder counts on that.
fn scan(block: &[u8]) -> Result<Vec<u32>, String> {
    const CUT: &str = "a header block breaks off";
    let mut sizes = Vec::new();
    let mut fields = 0;
    let mut rest = block;
    while let Some(&first) = rest.first() {
        let bits = match first {
            0x80.. => 7,
            0x40.. => 6,
            0x20.. => 5,
            _ => 4,
        };
        let (value, length) = integer(rest, bits).ok_or(CUT)?;
        rest = &rest[length..];
        match first {
            0x80.. => fields += 1,
            0x20..0x40 if fields > 0 => return Err("a table changes its size amid a block".into()),
            0x20..0x40 => sizes.push(value),
            _ => {
                fields += 1;
                // a name that is spelled out, and the value
                for _ in 0..if value == 0 { 2 } else { 1 } {
                    let (bytes, length) = integer(rest, 7).ok_or(CUT)?;
                    rest = rest.get(length + bytes as usize..).ok_or(CUT)?;
                }
            }
        }
    }
    Ok(sizes)
}

/// An integer and how many bytes it takes (RFC 7541, 5.1).
fn integer(bytes: &[u8], bits: u32) -> Option<(u32, usize)> {
    let most = (1 << bits) - 1;
    let mut value = u32::from(*bytes.first()?) & most;
    if value < most {
        return Some((value, 1));
    }
    for (at, &byte) in bytes.iter().enumerate().skip(1).take(5) {
        value = value.checked_add(u32::from(byte & 0x7f).checked_shl(7 * (at as u32 - 1))?)?;
        if byte < 0x80 {
            return Some((value, at + 1));
        }
    }
    None
}

/// What is wrong with the fields of a request's head (RFC 9113, 8.2 and 8.3).
pub(super) fn faults_of_head(fields: &[(String, String)]) -> Vec<String> {
    let mut faults = faults_of_fields(fields);
    let value = |name: &str| fields.iter().find(|(found, _)| found == name).map(|(_, v)| &v[..]);
    let regular = fields.iter().position(|(name, _)| !name.starts_with(':'));
    for (at, (name, _)) in fields.iter().enumerate() {
        if !name.starts_with(':') {
            continue;
        }
        if regular.is_some_and(|regular| regular < at) {
            faults.push(format!("{name} stands after other fields"));
        }
        if ![":method", ":scheme", ":path", ":authority"].contains(&&name[..]) {
            faults.push(format!("{name} is no pseudo-header field of a request"));
        }
        if fields[..at].iter().any(|(before, _)| before == name) {
            faults.push(format!("{name} is there twice"));
        }
    }
    let connect = value(":method") == Some("CONNECT");
    for name in [":method", ":scheme", ":path", ":authority"] {
        let must =
            if connect { matches!(name, ":method" | ":authority") } else { name != ":authority" };
        match value(name) {
            None if must => faults.push(format!("{name} is not there")),
            Some(_) if connect && !must => faults.push(format!("{name} has no place in CONNECT")),
            Some("") => faults.push(format!("{name} is empty")),
            _ => {}
        }
    }
    let path = value(":path").unwrap_or("/");
    let of_server = path == "*" && value(":method") == Some("OPTIONS");
    if !path.starts_with('/') && !of_server {
        faults.push(format!(":path is {path:?}"));
    }
    let authority = value(":authority").or(value("host"));
    if authority.is_none_or(|authority| authority.contains('@')) {
        faults.push(format!("the authority is {authority:?}"));
    }
    if let (Some(authority), Some(host)) = (value(":authority"), value("host"))
        && authority != host
    {
        faults.push(format!(":authority is {authority:?}, and host is {host:?}"));
    }
    faults
}

/// What is wrong with trailers (RFC 9113, 8.1).
pub(super) fn faults_of_trailers(fields: &[(String, String)]) -> Vec<String> {
    let mut faults = faults_of_fields(fields);
    let pseudo = fields.iter().filter(|(name, _)| name.starts_with(':'));
    faults.extend(pseudo.map(|(name, _)| format!("{name} stands in trailers")));
    faults
}

/// What no field may be (RFC 9113, 8.2.1 and 8.2.2).
fn faults_of_fields(fields: &[(String, String)]) -> Vec<String> {
    const OF_CONNECTIONS: [&str; 5] =
        ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
    let mut faults = Vec::new();
    for (name, value) in fields {
        let token = |c: char| c.is_ascii_graphic() && !c.is_ascii_uppercase() && c != ':';
        let plain = name.strip_prefix(':').unwrap_or(name);
        if plain.is_empty() || !plain.chars().all(token) {
            faults.push(format!("a field is called {name:?}"));
        }
        if value.contains(['\0', '\r', '\n']) || value.trim_matches([' ', '\t']) != value {
            faults.push(format!("the value of {name} is {value:?}"));
        }
        if OF_CONNECTIONS.contains(&&name[..]) || (name == "te" && value != "trailers") {
            faults.push(format!("{name}: {value} is about a connection of HTTP/1.1"));
        }
    }
    faults
}
