//! Ranges of addresses, as CIDR writes them (RFC 4632, 3.1; RFC 4291, 2.3).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A range of addresses: those that begin with the same bits. Written `10.0.0.0/8` or `fc00::/7`; an address without
/// a length is the range of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressRange {
    network: IpAddr,
    /// At most 32 or 128.
    length: u8,
}

/// A text that is no range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRangeError {
    text: String,
    why: &'static str,
}

impl AddressRange {
    /// The range of the addresses that have the first `length` bits of `network`.
    ///
    /// # Errors
    ///
    /// A length of more than 32 or 128 bits, or bits of `network` beyond it.
    pub fn new(network: IpAddr, length: u8) -> Result<AddressRange, AddressRangeError> {
        let refused = |why| Err(AddressRangeError { text: format!("{network}/{length}"), why });
        let (value, most) = bits(network);
        if length > most {
            return refused("the length is more than the address has bits");
        }
        if value & !mask(length, most) != 0 {
            return refused("the address has bits beyond the length");
        }
        Ok(match network {
            // written as IPv6 or not, it is the same range
            IpAddr::V6(ip) if length >= 96 && ip.to_ipv4_mapped().is_some() => {
                AddressRange { network: ip.to_canonical(), length: length - 96 }
            }
            _ => AddressRange { network, length },
        })
    }

    /// How many bits its addresses have in common.
    pub fn prefix_length(&self) -> u8 {
        self.length
    }

    /// Whether it has this address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let ((network, most), (value, of)) = (bits(self.network), bits(address));
        most == of && (network ^ value) & mask(self.length, most) == 0
    }
}

/// An address as a number, and how many bits that has.
fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(ip) => (u32::from(ip).into(), 32),
        IpAddr::V6(ip) => (ip.into(), 128),
    }
}

/// The first `length` of `of` bits.
fn mask(length: u8, of: u8) -> u128 {
    match of - length {
        128 => 0,
        rest => u128::MAX << rest,
    }
}

impl FromStr for AddressRange {
    type Err = AddressRangeError;

    fn from_str(text: &str) -> Result<AddressRange, AddressRangeError> {
        let refused = |why| AddressRangeError { text: text.to_owned(), why };
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let network: IpAddr =
            bare.unwrap_or(address).parse().map_err(|_| refused("it begins with no IP address"))?;
        let length = match length {
            None => bits(network).1,
            Some(length) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
                length.parse().map_err(|_| refused("the length is no number of bits"))?
            }
            Some(_) => return Err(refused("the length is no number of bits")),
        };
        AddressRange::new(network, length).map_err(|error| refused(error.why))
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.length)
    }
}

impl fmt::Display for AddressRangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a range of addresses: {}", self.text, self.why)
    }
}

impl std::error::Error for AddressRangeError {}
