//! Groups of options whose order among each other counts.
//!
//! Knows how clap keeps positions. Must not know what the options mean.

use clap::{ArgMatches, Command};

/// An option that may be given many times: its long and its short name, the name of its value, its help,
/// and what sort of value that is.
pub(crate) type Repeatable<K> = (&'static str, Option<char>, &'static str, &'static str, K);

pub(crate) fn declare<K>(mut command: Command, options: &[Repeatable<K>]) -> Command {
    for &(name, short, value, help, _) in options {
        let arg = clap::Arg::new(name).long(name).value_name(value).help(help);
        let arg = short.into_iter().fold(arg, clap::Arg::short);
        command = command.arg(arg.action(clap::ArgAction::Append).allow_hyphen_values(true));
    }
    command
}

pub(crate) fn in_order<K: Copy>(
    matches: &ArgMatches,
    options: &[Repeatable<K>],
) -> Vec<(K, String)> {
    let mut given = Vec::new();
    for &(name, .., kind) in options {
        let values = matches.get_many::<String>(name).into_iter().flatten();
        let indices = matches.indices_of(name).into_iter().flatten();
        given.extend(indices.zip(values).map(|(at, value)| (at, kind, value.clone())));
    }
    given.sort_by_key(|(at, ..)| *at);
    given.into_iter().map(|(_, kind, value)| (kind, value)).collect()
}

/// Makes of a tuple of kinds and values, in order, a group of these options.
macro_rules! ordered {
    ($args:ident, $options:ident) => {
        impl clap::FromArgMatches for $args {
            fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
                Ok($args(crate::options::ordered::in_order(matches, &$options)))
            }

            fn update_from_arg_matches(
                &mut self,
                matches: &clap::ArgMatches,
            ) -> Result<(), clap::Error> {
                self.0.extend(crate::options::ordered::in_order(matches, &$options));
                Ok(())
            }
        }

        impl clap::Args for $args {
            fn augment_args(command: clap::Command) -> clap::Command {
                crate::options::ordered::declare(command, &$options)
            }

            fn augment_args_for_update(command: clap::Command) -> clap::Command {
                crate::options::ordered::declare(command, &$options)
            }
        }
    };
}
pub(crate) use ordered;
