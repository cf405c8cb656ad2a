//! Where a build keeps its state and puts its files.

use std::path::PathBuf;

use crate::site::Site;

/// The folders of a build. Builds with other folders know nothing of each other: each has its lock, state and output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// The directory that holds the state folder `.aem-static/`.
    pub home: PathBuf,
    /// The output folder.
    pub out: PathBuf,
    /// The output folder as people are told of it.
    pub shown: String,
}

impl Folders {
    /// Those of `build`: the state in the site directory, the output where the configuration says.
    pub fn of(site: &Site) -> Self {
        Folders { home: site.dir.clone(), out: site.out_dir(), shown: site.config.build.out.clone() }
    }

    /// Those of preview, below the state folder: what is written while somebody is writing never reaches `out/`.
    pub fn preview(site: &Site) -> Self {
        let home = site.dir.join(".aem-static/preview");
        Folders { out: home.join("out"), home, shown: ".aem-static/preview/out".to_owned() }
    }
}
