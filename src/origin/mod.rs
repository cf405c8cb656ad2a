//! stand-in until the origin lands
use std::net::IpAddr;
use std::path::PathBuf;
#[allow(missing_docs)]
#[derive(Debug)]
pub struct Options {
    pub content: PathBuf,
    pub queries: Option<PathBuf>,
    pub configuration: String,
    pub host: IpAddr,
    pub port: u16,
}
#[allow(missing_docs)]
#[derive(Debug)]
pub struct Problem {
    pub file: PathBuf,
    pub line: usize,
    pub column: usize,
    pub field: Option<String>,
    pub message: String,
}
#[allow(missing_docs)]
#[derive(Debug)]
pub struct Running;
#[allow(missing_docs)]
impl Running {
    pub fn url(&self) -> &str {
        ""
    }
    pub fn problems(&self) -> &[Problem] {
        &[]
    }
    pub fn fragments(&self) -> usize {
        0
    }
    pub async fn stop(self) {}
}
#[allow(missing_docs)]
pub async fn start(_o: Options) -> Result<Running, String> {
    Err("none".into())
}
