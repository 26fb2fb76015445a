//! Proxies, as curl's options and environment variables name them.
//!
//! Knows the words, and what they come to in a transfer's options.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args as Group;
use percent_encoding::percent_decode_str;
use ringdove::protocol::{AuthScheme, Origin, ProxyProtocol};
use ringdove::{Bypass, Options, Proxies, Proxy, TlsPolicy};

use super::field_lines::FieldLines;
use super::values::Field;
use crate::text::zones;

#[derive(Debug, Clone, Default, Group)]
#[command(next_help_heading = "Proxies")]
pub(crate) struct ProxyArgs {
    /// Use this proxy: http (the default), https, socks4, socks4a, socks5 or socks5h; the default port is
    /// 1080, of https 443. Without this option the variables http_proxy, https_proxy and all_proxy
    /// count; an empty one means no proxy
    #[arg(
        short = 'x',
        long,
        value_name = "[SCHEME://][USER:PASSWORD@]HOST[:PORT]",
        overrides_with_all = ["socks4", "socks4a", "socks5", "socks5_hostname"]
    )]
    pub(crate) proxy: Option<String>,

    /// As -x socks4://…
    #[arg(long, value_name = "HOST[:PORT]", overrides_with_all = ["proxy", "socks4a", "socks5", "socks5_hostname"])]
    pub(crate) socks4: Option<String>,

    /// As -x socks4a://…
    #[arg(long, value_name = "HOST[:PORT]", overrides_with_all = ["proxy", "socks4", "socks5", "socks5_hostname"])]
    pub(crate) socks4a: Option<String>,

    /// As -x socks5://…
    #[arg(long, value_name = "HOST[:PORT]", overrides_with_all = ["proxy", "socks4", "socks4a", "socks5_hostname"])]
    pub(crate) socks5: Option<String>,

    /// As -x socks5h://…
    #[arg(long, value_name = "HOST[:PORT]", overrides_with_all = ["proxy", "socks4", "socks4a", "socks5"])]
    pub(crate) socks5_hostname: Option<String>,

    /// Credentials for the proxy, percent-encoded; used if the proxy URL has none
    #[arg(short = 'U', long, value_name = "USER[:PASSWORD]")]
    pub(crate) proxy_user: Option<String>,

    /// Send the credentials to an HTTP proxy by Basic, without being asked (the default)
    #[arg(long)]
    pub(crate) proxy_basic: bool,

    /// Send the credentials to an HTTP proxy by Digest, once it asks
    #[arg(long)]
    pub(crate) proxy_digest: bool,

    /// Send the credentials to an HTTP proxy by the safest scheme that it asks for
    #[arg(long)]
    pub(crate) proxy_anyauth: bool,

    /// Go straight to these hosts and all below them, and to these addresses and networks; * for all.
    /// Without it the variable no_proxy says
    #[arg(long, value_name = "HOST[,HOST]…")]
    pub(crate) noproxy: Option<String>,

    /// Have an HTTP proxy open tunnels for http URLs too, and not forward requests
    #[arg(short = 'p', long)]
    pub(crate) proxytunnel: bool,

    /// A field for what is said to an HTTP proxy itself, as `Name: value`, or the lines of a file (- for standard
    /// input)
    #[arg(long, value_name = "FIELD|@FILE")]
    pub(crate) proxy_header: Vec<FieldLines>,

    /// Those that `proxy_header` comes to.
    #[arg(skip)]
    pub(crate) fields: Vec<Field>,

    /// Trust the PEM certificates in FILE instead of the system's, of an https proxy
    #[arg(long, value_name = "FILE")]
    pub(crate) proxy_cacert: Option<PathBuf>,

    /// Accept any certificate of an https proxy
    #[arg(long)]
    pub(crate) proxy_insecure: bool,
}

/// Variables that are to name a proxy and do not: no reason to give up what goes by no proxy, or by another.
#[derive(Debug, Default)]
pub(crate) struct Unusable {
    proxies: Option<Arc<Proxies>>,
    /// What is wrong, by variable.
    why: Vec<String>,
}

/// What stands for such a proxy where nobody asked before: no request may go past it, and nobody listens there.
const NOWHERE: &str = "http://0.0.0.0:1";

impl Unusable {
    /// Why nothing can be asked of this origin, if its proxy is one of these.
    pub(crate) fn refuse(&self, origin: &Origin) -> Option<String> {
        let nowhere = Proxy::parse(NOWHERE).expect("a proxy");
        let proxy = self.proxies.as_ref()?.proxy_for(origin)?;
        let is_nowhere = (proxy.host(), proxy.port()) == (nowhere.host(), nowhere.port());
        (is_nowhere && !self.why.is_empty())
            .then(|| format!("environment: {}", self.why.join("; ")))
    }
}

impl ProxyArgs {
    /// Has transfers with these options go by the proxies named here or by `variable`, the environment.
    /// Returns which of these can be used by none.
    pub(crate) fn apply(
        &self,
        options: &mut Options,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Unusable, String> {
        let why = RefCell::new(Vec::new());
        let usable = |name: &str| {
            let value = variable(name).filter(|value| !value.is_empty())?;
            if name.eq_ignore_ascii_case("no_proxy") {
                return Some(value);
            }
            let parsed = zones::numbered(&value).and_then(|text| {
                Proxy::parse(&text).map_err(|error| error.to_string())?;
                Ok(text.into_owned())
            });
            match parsed {
                Ok(text) => Some(text),
                Err(error) => {
                    why.borrow_mut().push(format!("{name}: {error}"));
                    Some(NOWHERE.to_owned())
                }
            }
        };
        let Some(proxies) = self.proxies(usable)? else { return Ok(Unusable::default()) };
        let proxies = Arc::new(proxies);
        let mut why = why.into_inner();
        why.sort();
        why.dedup();
        let unusable = Unusable { proxies: Some(Arc::clone(&proxies)), why };
        if proxies.iter().any(|proxy| proxy.protocol() == ProxyProtocol::Https) {
            options.proxy_tls = Some(self.tls()?);
        }
        options.proxies = Some(proxies);
        Ok(unusable)
    }

    fn proxies(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Proxies>, String> {
        let proxy = self.proxy.clone().or_else(|| self.socks());
        let named = match proxy.as_deref() {
            // it stands in the variables' place
            Some("") => return Ok(None),
            Some(text) => {
                let text = zones::numbered(text).map_err(|why| format!("-x: {why}"))?;
                Some(Proxy::parse(&text).map_err(|error| format!("-x: {error}"))?)
            }
            None => None,
        };
        let environment = |name: &str| match &named {
            Some(_) if !name.eq_ignore_ascii_case("no_proxy") => None,
            _ => variable(name),
        };
        let mut proxies = Proxies::from_environment(environment)
            .map_err(|error| format!("environment: {error}"))?;
        if let Some(proxy) = named {
            proxies = proxies.everywhere(proxy);
        }
        if proxies.is_empty() {
            return Ok(None);
        }
        if let Some(list) = &self.noproxy {
            proxies = proxies.except(Bypass::parse(list));
        }
        if let Some(user) = &self.proxy_user {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            let [user, password] =
                [user, password].map(|text| percent_decode_str(text).collect::<Vec<_>>());
            proxies = proxies
                .with_credentials(&user, &password)
                .map_err(|error| format!("--proxy-user: {error}"))?;
        }
        for Field { name, value } in &self.fields {
            let Some(value) = value else { continue };
            proxies =
                proxies.field(name, value).map_err(|error| format!("--proxy-header: {error}"))?;
        }
        Ok(Some(proxies.with_scheme(self.scheme()).tunnel(self.proxytunnel)))
    }

    /// What the options for SOCKS come to.
    fn socks(&self) -> Option<String> {
        let options = [
            (&self.socks4, "socks4"),
            (&self.socks4a, "socks4a"),
            (&self.socks5, "socks5"),
            (&self.socks5_hostname, "socks5h"),
        ];
        let mut given = options
            .into_iter()
            .filter_map(|(given, scheme)| given.as_ref().map(|host| format!("{scheme}://{host}")));
        given.next()
    }

    /// As curl has it: of several, the one that says least without being asked.
    fn scheme(&self) -> AuthScheme {
        match (self.proxy_anyauth, self.proxy_digest, self.proxy_basic) {
            (true, ..) => AuthScheme::Any,
            (false, true, _) => AuthScheme::Digest,
            (false, false, _) => AuthScheme::Basic,
        }
    }

    fn tls(&self) -> Result<TlsPolicy, String> {
        if self.proxy_cacert.is_none() && !self.proxy_insecure {
            return TlsPolicy::system().map_err(|error| error.to_string());
        }
        let mut builder = TlsPolicy::builder();
        if let Some(path) = &self.proxy_cacert {
            builder = builder.add_roots_file(path).only_these_roots();
        }
        if self.proxy_insecure {
            builder = builder.insecure();
        }
        builder.build().map_err(|error| format!("--proxy-cacert: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(args: &ProxyArgs, variables: &[(&str, &str)]) -> Result<String, String> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let proxies = args.proxies(variable)?;
        let origin = |url: &str| {
            ringdove::protocol::Origin::from_url(&url::Url::parse(url).unwrap()).unwrap()
        };
        let shown = |url| match proxies.as_ref().and_then(|proxies| proxies.proxy_for(&origin(url)))
        {
            Some(proxy) => format!("{proxy:?}"),
            None => "none".to_owned(),
        };
        Ok(format!("{} {}", shown("http://a/"), shown("https://b/")))
    }

    #[test]
    fn options_and_variables() {
        let env = [("http_proxy", "e:1"), ("NO_PROXY", "b")];
        type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);
        let table: [Case<'_>; 9] = [
            (&[], &[], "none none"),
            (&[], &env, "Proxy(http://e:1) none"),
            (&["-x", ""], &env, "none none"),
            (&["--socks5", "p"], &env, "Proxy(socks5://p:1080) none"),
            (&["-x", "q", "--socks5-hostname", "p:3"], &env, "Proxy(socks5h://p:3) none"),
            (&["-x", "p:2"], &env, "Proxy(http://p:2) none"),
            (&["-x", "p:2", "--noproxy", ""], &env, "Proxy(http://p:2) Proxy(http://p:2)"),
            (&["-x", "p:2", "--noproxy", "a"], &env, "none Proxy(http://p:2)"),
            (&["-U", "u:p"], &env, "Proxy(http://e:1, with credentials) none"),
        ];
        #[derive(clap::Parser)]
        struct Only {
            #[command(flatten)]
            args: ProxyArgs,
        }
        for (words, variables, expected) in table {
            let words = ["ringdove"].iter().chain(words);
            let args = <Only as clap::Parser>::parse_from(words).args;
            assert_eq!(proxies(&args, variables).as_deref(), Ok(expected));
        }
        let args = ProxyArgs { proxy: Some("ftp://u:secret@p".into()), ..ProxyArgs::default() };
        let error = proxies(&args, &[]).expect_err("no proxy");
        assert!(error.starts_with("-x: bad proxy") && !error.contains("secret"), "{error}");
    }
}
