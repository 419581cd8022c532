//! Finds the bucket of a stack's records by the name that CloudFormation gives it: stack, logical id and, in AWS, a
//! random suffix, all in lowercase.

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use shared::aws::Aws;
use shared::config::Env;
use shared::records::Bucket;

/// The bucket of this name or, without a name, the only bucket that can be the stack's.
pub(super) async fn find_records_bucket(env: &Env, stack: &str, name: Option<&str>) -> Result<Bucket, String> {
    let aws = Aws::read(env).map_err(|error| error.to_string())?;
    let client = aws.s3();
    let name = match name {
        Some(name) => name.to_owned(),
        None => {
            let buckets = client.list_buckets().send().await.map_err(|error| {
                let code = error.code().unwrap_or("S3 does not answer: is AWS_REGION right?");
                format!("listing buckets: {code}")
            })?;
            let names = buckets.buckets.unwrap_or_default().into_iter();
            choose(names.filter_map(|bucket| bucket.name), stack)?
        }
    };
    let env = Env::from_vars([("RECORDS_BUCKET".to_owned(), name)]);
    Bucket::read(&client, &env).map_err(|error| error.to_string())
}

fn choose(names: impl Iterator<Item = String>, stack: &str) -> Result<String, String> {
    let mut found: Vec<String> = names.filter(|name| is_bucket_of(name, stack)).collect();
    match (found.pop(), found.is_empty()) {
        (Some(name), true) => Ok(name),
        (Some(_), false) => Err(format!(
            "the stack {stack} has more than one bucket: give --bucket NAME"
        )),
        (None, _) => Err(format!(
            "no records bucket of the stack {stack} was found: are the stack's name and the region right?"
        )),
    }
}

fn is_bucket_of(name: &str, stack: &str) -> bool {
    let stack = stack.to_lowercase();
    let end = name
        .strip_prefix(&stack)
        .and_then(|rest| rest.strip_prefix("-recordsbucket"));
    end.is_some_and(|end| end.is_empty() || end.strip_prefix('-').is_some_and(|random| !random.contains('-')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_is_found_by_stack_name_and_random_suffix() {
        let all = [
            "ias-recordsbucket",
            "ias-dev-recordsbucket-8kz1a",
            "ias-dev-sealsbucket-1",
        ];
        let choose = |stack: &str| choose(all.iter().map(|name| (*name).to_owned()), stack);
        assert_eq!(choose("ias").as_deref(), Ok("ias-recordsbucket"));
        assert_eq!(choose("ias-Dev").as_deref(), Ok("ias-dev-recordsbucket-8kz1a"));
        assert!(choose("ias-prod").is_err());
        assert!(!is_bucket_of("ias-dev-recordsbucket-copy-8kz1a", "ias-dev"));
    }
}
