//! Addresses of networks and of their cards, from PostgreSQL's text form.

use std::net::IpAddr;

use cdc_core::Value;

use super::cell;
use super::error::{ValueError, invalid_form};
use super::system::text;

/// What stands for the families of addresses, whatever numbers an operating system has for them.
const FAMILY_4: u8 = 2;
const FAMILY_6: u8 = 3;

/// Whether bits behind the prefix may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    /// `inet`: a host, perhaps with its network.
    Inet,
    /// `cidr`: a network alone.
    Cidr,
}

/// Appends an `inet` or `cidr`: family, bits of the prefix, which of the two, length, address.
pub(super) fn put_network(
    out: &mut Vec<u8>,
    value: Value<'_>,
    network: Network,
) -> Result<(), ValueError> {
    let expected = match network {
        Network::Inet => "an address such as 192.0.2.1/24 or 2001:db8::1",
        Network::Cidr => "a network such as 192.0.2.0/24 or 2001:db8::/32",
    };
    let (address, prefix) = parse(text(value)?).ok_or_else(|| invalid_form(expected))?;
    if network == Network::Cidr && has_host_bits(address, prefix) {
        return Err(invalid_form(expected));
    }
    let is_cidr = u8::from(network == Network::Cidr);
    match address {
        IpAddr::V4(address) => {
            cell::put_length(out, 8)?;
            out.extend_from_slice(&[FAMILY_4, prefix, is_cidr, 4]);
            out.extend_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            cell::put_length(out, 20)?;
            out.extend_from_slice(&[FAMILY_6, prefix, is_cidr, 16]);
            out.extend_from_slice(&address.octets());
        }
    }
    Ok(())
}

fn parse(text: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix) = match text.split_once('/') {
        None => (text, None),
        Some((address, prefix)) => (address, Some(prefix)),
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => most,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        Some(_) => return None,
    };
    (prefix <= most).then_some((address, prefix))
}

fn has_host_bits(address: IpAddr, prefix: u8) -> bool {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(address) => address.to_bits().checked_shl(prefix).unwrap_or(0) != 0,
        IpAddr::V6(address) => address.to_bits().checked_shl(prefix).unwrap_or(0) != 0,
    }
}

/// Appends a `macaddr` or `macaddr8`, whose text has as many groups of two digits as it has bytes.
pub(super) fn put_card<const N: usize>(
    out: &mut Vec<u8>,
    value: Value<'_>,
) -> Result<(), ValueError> {
    let mut groups = text(value)?.split([':', '-']);
    let mut address = [0_u8; N];
    let mut fill = || -> Option<()> {
        for byte in &mut address {
            let group = groups.next()?;
            let is_pair = group.len() == 2 && group.bytes().all(|digit| digit.is_ascii_hexdigit());
            *byte = u8::from_str_radix(group, 16).ok().filter(|_| is_pair)?;
        }
        groups.next().is_none().then_some(())
    };
    fill().ok_or_else(|| invalid_form("an address such as 08:00:2b:01:02:03"))?;
    cell::put_fixed(out, address);
    Ok(())
}
