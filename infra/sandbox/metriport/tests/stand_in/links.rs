//! Consolidated queries and the links that they give.

use std::io::Read as _;

use sandbox_metriport::StandInOptions;
use serde_json::{Value, json};

use crate::bench::{Bench, id, options};

#[tokio::test]
async fn plain_and_packed_json_have_the_same_content() {
    let mut bench = Bench::ready(options()).await;
    let patient_id = bench.collected("Nora").await;
    let attachments = bench.attachments(&patient_id, "conversionType=json").await;
    let types: Vec<_> = attachments
        .iter()
        .map(|(content_type, _)| content_type.as_str())
        .collect();
    assert_eq!(types, ["application/json", "application/gzip"]);
    let plain = bench.client.get(&attachments[0].1).send().await.unwrap();
    let length = plain.content_length().unwrap();
    let plain = plain.bytes().await.unwrap();
    let packed = bench.client.get(&attachments[1].1).send().await.unwrap();
    assert_eq!(
        (&packed.headers()["content-encoding"], &packed.headers()["content-type"]),
        (&"gzip".parse().unwrap(), &"application/gzip".parse().unwrap())
    );
    let packed = packed.bytes().await.unwrap();
    assert!(packed.starts_with(&[0x1f, 0x8b]) && packed.len() < plain.len());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed[..])
        .read_to_end(&mut unpacked)
        .unwrap();
    assert_eq!((unpacked.len() as u64, &unpacked[..]), (length, &plain[..]));
    bench.stop().await;
}

#[tokio::test]
async fn pdf_and_html_documents_are_valid_files() {
    let mut bench = Bench::ready(options()).await;
    let patient_id = bench.collected("Nora").await;
    for (conversion, content_type, start) in [
        ("pdf", "application/pdf", "%PDF-"),
        ("html", "text/html", "<!doctype html>"),
    ] {
        let attachments = bench
            .attachments(&patient_id, &format!("conversionType={conversion}"))
            .await;
        assert_eq!((attachments.len(), attachments[0].0.as_str()), (1, content_type));
        let file = bench.client.get(&attachments[0].1).send().await.unwrap();
        assert_eq!(file.headers()["content-type"], content_type);
        let text = file.text().await.unwrap();
        assert!(text.starts_with(start) && !text.contains("Quill"));
    }
    bench.stop().await;
}

#[tokio::test]
async fn filters_apply_and_referenced_resources_are_added() {
    let mut bench = Bench::ready(options()).await;
    let patient_id = bench.collected("Nora").await;
    let kinds = |bundle: &Value| -> Vec<String> {
        bundle["entry"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| id(&entry["resource"], "resourceType"))
            .collect()
    };
    let links = bench
        .attachments(&patient_id, "conversionType=json&resources=Condition")
        .await;
    let bundle: Value = bench
        .client
        .get(&links[0].1)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let kinds = kinds(&bundle);
    assert!(kinds.iter().any(|kind| kind == "Condition") && kinds.iter().any(|kind| kind == "Patient"));
    assert!(!kinds.iter().any(|kind| kind == "MedicationDispense"));
    let path = format!("/medical/v1/patient/{patient_id}/consolidated/count?resources=Observation&dateFrom=2999-01-01");
    let none = bench.get_json(&path).await;
    assert_eq!(
        (&none["total"], &none["filter"]["dateFrom"]),
        (&json!(0), &json!("2999-01-01"))
    );
    bench.stop().await;
}

#[tokio::test]
async fn later_query_overwrites_the_earlier_file() {
    let mut bench = Bench::ready(options()).await;
    let patient_id = bench.collected("Nora").await;
    let first = bench.attachments(&patient_id, "conversionType=json").await;
    let get = async |url: &str| bench.client.get(url).send().await.unwrap().bytes().await.unwrap();
    let before = get(&first[0].1).await;
    let second = bench
        .attachments(&patient_id, "conversionType=json&resources=Condition")
        .await;
    let get = async |url: &str| bench.client.get(url).send().await.unwrap().bytes().await.unwrap();
    let after = get(&first[0].1).await;
    assert!(after.len() < before.len());
    assert_eq!(after, get(&second[0].1).await);
    bench.stop().await;
}

#[tokio::test]
async fn changed_and_expired_links_are_refused_in_xml() {
    let mut bench = Bench::ready(options()).await;
    let patient_id = bench.collected("Nora").await;
    let link = bench.attachments(&patient_id, "conversionType=json").await[0].1.clone();
    assert!(link.contains("X-Amz-Expires=180&"));
    let changed = bench
        .client
        .get(link.replace("Expires=180", "Expires=999"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (changed.status().as_u16(), &changed.headers()["content-type"]),
        (403, &"application/xml".parse().unwrap())
    );
    assert!(
        changed
            .text()
            .await
            .unwrap()
            .contains("<Code>SignatureDoesNotMatch</Code>")
    );
    bench.stop().await;

    let mut bench = Bench::ready(StandInOptions {
        link_ttl_secs: 0,
        ..options()
    })
    .await;
    let patient_id = bench.collected("Nora").await;
    let link = bench.attachments(&patient_id, "conversionType=json").await[0].1.clone();
    let expired = bench.client.get(link).send().await.unwrap();
    assert_eq!(expired.status(), 403);
    assert!(expired.text().await.unwrap().contains("Request has expired"));
    bench.stop().await;
}

#[tokio::test]
async fn query_link_without_data_is_not_found() {
    let mut bench = Bench::ready(options()).await;
    let patient_id = bench.patient("Nadia").await;
    bench.treatment(&patient_id, json!({})).await;
    let link = id(&bench.hook().await.json["payload"], "consolidatedDataUrl");
    for _ in 0..2 {
        bench.hook().await;
    }
    assert_eq!(bench.client.get(link).send().await.unwrap().status(), 404);
    bench.consolidate(&patient_id, "conversionType=json").await;
    let part = bench.hook().await.json["patients"][0].clone();
    assert_eq!(
        (&part["status"], &part["bundle"]["entry"]),
        (&json!("completed"), &json!([]))
    );
    bench.stop().await;
}

#[tokio::test]
async fn bad_consolidated_queries_are_refused() {
    let bench = Bench::start(options()).await;
    let patient_id = bench.patient("Nora").await;
    let path = |params: &str| format!("/medical/v1/patient/{patient_id}/consolidated/query{params}");
    for params in [
        "",
        "?conversionType=xml",
        "?conversionType=json&resources=Medication",
        "?conversionType=json&dateFrom=x",
    ] {
        assert_eq!(bench.post(&path(params), &json!({})).await.status(), 400, "{params}");
    }
    assert_eq!(
        bench.post(&path("?conversionType=json"), &json!([])).await.status(),
        400
    );
    assert_eq!(bench.get_json(&path("")).await["queries"], Value::Null);
    assert_eq!(
        bench.get(&path("/0198a0c2-5d11-7c3e-9a40-2b7f61c0d9e4")).await.status(),
        404
    );
    bench.stop().await;
}
