//! Flags of `preview`.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::Tier;

/// `preview`.
#[derive(Debug, Args)]
pub struct PreviewArgs {
    /// The port to listen on; 0 is a free one
    #[arg(long, default_value_t = 1111)]
    pub port: u16,
    /// The address to listen on; one that is not loopback lets other machines read the site
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// A name besides localhost under which the server may be asked, such as that of a tunnel
    #[arg(long, value_name = "NAME")]
    pub allow_host: Vec<String>,
    /// Reads from this tier instead of the configured one
    #[arg(long, value_enum)]
    pub tier: Option<Tier>,
    /// How often AEM is asked for changes, as 5s or 500ms; `never` leaves it at the first time
    #[arg(long, value_name = "TIME", default_value = "5s")]
    pub poll: Poll,
    /// Opens the site in a browser
    #[arg(long)]
    pub open: bool,
    /// Builds into out/ of the site, instead of a folder of its own
    #[arg(long)]
    pub write: bool,
    /// The link that opens a file in an editor, with {path}, {line} and {column}; `none` shows plain places
    #[arg(long, value_name = "LINK", default_value = "vscode://file{path}:{line}:{column}")]
    pub editor: String,
}

/// How often AEM is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poll(pub Option<Duration>);

impl FromStr for Poll {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "takes a time such as 5s, 500ms or 2m, or `never`".to_owned();
        if text == "never" {
            return Ok(Poll(None));
        }
        let digits = text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let time = match unit {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.saturating_mul(60)),
            _ => return Err(wrong()),
        };
        match time {
            time if time < Duration::from_millis(100) => Err("asks at most ten times a second".to_owned()),
            time => Ok(Poll(Some(time))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_never() {
        let read = |text: &str| text.parse::<Poll>().map(|poll| poll.0.map(|time| time.as_millis()));
        assert_eq!(read("5s"), Ok(Some(5000)));
        assert_eq!(read("500ms"), Ok(Some(500)));
        assert_eq!(read("2m"), Ok(Some(120_000)));
        assert_eq!(read("never"), Ok(None));
        for wrong in ["", "5", "s", "-1s", "1h", "10ms", "0s", "99999999999999999999s"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
