//! `sam build` builds each function from the current sources, for the processor of its deployment.

use std::fs;
use std::path::Path;
use std::process::Command;

use fancy_regex::Regex;
use serde_json::json;

use super::{ROOT, stack};

/// The allowed processors, by Lambda's names.
fn architectures() -> Vec<String> {
    let parameters = stack().section("Parameters").unwrap().clone();
    serde_json::from_value(parameters["Architecture"]["AllowedValues"].clone()).unwrap()
}

#[test]
fn every_function_is_built_by_the_makefile_for_its_processor() {
    let stack = stack();
    for function in &stack.functions {
        let metadata = &stack.resource(&function.logical_id).unwrap()["Metadata"];
        let expected = json!({
            "BuildMethod": "makefile", "WorkingDirectory": { "Fn::Sub": "infra/processor/${Architecture}" },
        });
        assert_eq!(*metadata, expected, "{}", function.logical_id);
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test prints its reason")]
fn makefile_builds_each_function_for_each_processor() {
    if Command::new("make").arg("--version").output().is_err() {
        eprintln!("skipped: make is missing");
        return;
    }
    for architecture in architectures() {
        let folder = Path::new(ROOT).join("infra/processor").join(&architecture);
        let target = fs::read_to_string(folder.join("rust-target")).unwrap();
        assert!(target.ends_with("-unknown-linux-musl\n"), "{target}");
        let processor = architecture.replace("arm64", "aarch64");
        assert_eq!(target.split('-').next(), Some(processor.as_str()));
        for function in &stack().functions {
            let planned = Command::new("make")
                .args(["--dry-run", "--makefile", "../../../functions/Makefile"])
                .arg(format!("build-{}", function.logical_id))
                .env_remove("FUNCTIONS_PROFILE")
                .env_remove("MANIFEST")
                .env("ARTIFACTS_DIR", "/artifacts")
                .current_dir(&folder)
                .output()
                .unwrap();
            let planned = String::from_utf8(planned.stdout).unwrap();
            let binary = &function.binary;
            for part in [
                format!("--manifest-path '../../../functions/{binary}/Cargo.toml'"),
                format!("--bin '{binary}'"),
                format!("--flatten '{binary}'"),
                "--lambda-dir '/artifacts'".to_owned(),
                "--profile 'release-lambda'".to_owned(),
            ] {
                assert!(planned.contains(&part), "{part}: {planned}");
            }
        }
    }
}

/// `sam build` does not know the parameters of the deployed stack, and Lambda accepts a binary for any processor.
#[test]
fn build_for_another_processor_is_noticed_before_deployment() {
    // The type and the machine of an ELF header: aarch64 is 183, x86-64 is 62.
    let header = |machine: u8| [vec![0; 16], vec![3, 0, machine, 0]].concat();
    let check = |folder: &Path, processor: &str| {
        let mut command = Command::new(Path::new(ROOT).join("infra/built-for"));
        let output = command.arg(processor).env("BUILD_ROOT", folder).output();
        output.unwrap().status.code()
    };
    let folder = tempfile::tempdir().unwrap();
    for (function, machine) in [("A", 183), ("B", 183)] {
        let built = folder.path().join(".aws-sam/build").join(function);
        fs::create_dir_all(&built).unwrap();
        fs::write(built.join("bootstrap"), header(machine)).unwrap();
    }
    assert_eq!(check(folder.path(), "arm64"), Some(0));
    assert_eq!(check(folder.path(), "x86_64"), Some(1));
    fs::write(folder.path().join(".aws-sam/build/B/bootstrap"), header(62)).unwrap();
    assert_eq!(check(folder.path(), "arm64"), Some(1));
    assert_eq!(check(folder.path(), "mips"), Some(2));
    // This folder has no build.
    assert_eq!(check(&folder.path().join(".aws-sam"), "arm64"), Some(1));
}

/// The pages that describe a deployment.
fn pages() -> impl Iterator<Item = (String, String)> {
    let docs = fs::read_dir(Path::new(ROOT).join("docs")).unwrap();
    let docs = docs.map(|entry| entry.unwrap().path());
    let pages = docs.chain([Path::new(ROOT).join("README.md")]);
    pages
        .filter(|path| path.extension().is_some_and(|kind| kind == "md"))
        .map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap()))
}

/// `sam build` reads the processor from the stage of samconfig.toml that `--config-env` names.
#[test]
fn documented_deployment_builds_for_the_stage_it_deploys() {
    let stage = r"((?: --config-env \w+)?)";
    let commands = Regex::new(&format!("sam build{stage} &&([^`]*?)sam deploy{stage}")).unwrap();
    let mut count = 0;
    for (page, text) in pages() {
        for found in commands.captures_iter(&text).map(Result::unwrap) {
            count += 1;
            let [commands, built, between, deployed] = [0, 1, 2, 3].map(|group| found.get(group).unwrap().as_str());
            assert_eq!(built, deployed, "{page}: {commands}");
            assert!(between.contains("infra/built-for"), "{page}: {commands}");
        }
        let chosen = text
            .split("\n\n")
            .filter(|paragraph| paragraph.contains("--config-env"));
        for paragraph in chosen {
            assert!(paragraph.contains("sam build"), "{page}: {paragraph}");
        }
    }
    assert!(count >= 3, "{count}");
}

/// Without this option, zig's linker places binaries at a fixed address.
#[test]
fn binaries_are_position_independent() {
    let makefile = fs::read_to_string(Path::new(ROOT).join("functions/Makefile")).unwrap();
    assert!(makefile.contains("export RUSTFLAGS := -C link-arg=-pie\n"));
}

/// With a cache, SAM would compare only the functions' folder, and deploy old binaries after other changes.
#[test]
fn builds_are_never_cached() {
    let text = fs::read_to_string(Path::new(ROOT).join("samconfig.toml")).unwrap();
    assert!(!text.contains("cached = true"));
}
