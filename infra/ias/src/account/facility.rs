//! The account's facilities. Every patient belongs to a facility, and the stack's parameter `FacilityId` names it.

use clap::{Args, Subcommand};
use shared::metriport::{Client, Facility, FacilityAddress, ManageFacilities, NewFacility, Npi, UpstreamErrorKind};

use super::Metriport;
use super::client::{KeyInput, client, render_error};
use crate::report::{say, say_line};

/// Options of `account facility`.
#[derive(Debug, Clone, Args)]
pub struct FacilityArgs {
    #[command(subcommand)]
    command: FacilityCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum FacilityCommand {
    /// List the facilities: id, NPI, name.
    List(ListArgs),
    /// Create a facility, unless one of that name exists.
    Create(Box<CreateArgs>),
}

#[derive(Debug, Clone, Args)]
struct ListArgs {
    #[command(flatten)]
    metriport: Metriport,
    #[command(flatten)]
    key: KeyInput,
}

#[derive(Debug, Clone, Args)]
struct CreateArgs {
    #[command(flatten)]
    account: ListArgs,
    /// Name of the facility.
    #[arg(long)]
    name: String,
    /// National Provider Identifier of the facility: ten digits.
    #[arg(long, value_parser = |text: &str| Npi::parse(text))]
    npi: Npi,
    /// Street and number.
    #[arg(long)]
    street: String,
    /// City.
    #[arg(long)]
    city: String,
    /// State, as two letters.
    #[arg(long)]
    state: String,
    /// Zip code, as five digits.
    #[arg(long)]
    zip: String,
    /// Tax identification number of the facility.
    #[arg(long)]
    tin: Option<String>,
}

pub(super) async fn facility(args: &FacilityArgs) -> Result<(), String> {
    match &args.command {
        FacilityCommand::List(args) => list(&connect(args)?).await,
        FacilityCommand::Create(args) => create(&connect(&args.account)?, args).await,
    }
}

fn connect(args: &ListArgs) -> Result<Client, String> {
    client(&args.metriport.base_url, args.key.required()?)
}

async fn list(account: &Client) -> Result<(), String> {
    let facilities = account.list_facilities().await.map_err(|error| render_error(&error))?;
    if facilities.is_empty() {
        say("The account has no facility: `ias account facility create` creates one.");
    }
    facilities.iter().for_each(|facility| say_line(&line(facility)));
    Ok(())
}

async fn create(account: &Client, args: &CreateArgs) -> Result<(), String> {
    let present = account.list_facilities().await.map_err(|error| render_error(&error))?;
    if let Some(facility) = named(&present, &args.name)? {
        if facility.npi.as_deref() != Some(args.npi.as_str()) {
            return Err(format!(
                "a facility of that name exists with another NPI: {}",
                line(facility)
            ));
        }
        say_line(&format!("A facility of that name already exists: {}", line(facility)));
        return Ok(());
    }
    let new = NewFacility {
        name: args.name.clone(),
        npi: args.npi.clone(),
        address: FacilityAddress {
            address_line1: args.street.clone(),
            address_line2: None,
            city: args.city.clone(),
            state: args.state.clone(),
            zip: args.zip.clone(),
        },
        tin: args.tin.clone(),
    };
    let made = account
        .create_facility(&new)
        .await
        .map_err(|error| match error.kind() {
            UpstreamErrorKind::BadRequest => {
                format!(
                    "{}: is the address real, with its own state and zip?",
                    render_error(&error)
                )
            }
            _ => render_error(&error),
        })?;
    say_line(&format!("Created a facility: {}", line(&made)));
    Ok(())
}

/// Finds the facility of this name. Fails if several facilities have the name.
fn named<'f>(facilities: &'f [Facility], name: &str) -> Result<Option<&'f Facility>, String> {
    let mut of_name = facilities.iter().filter(|facility| facility.name.trim() == name.trim());
    match (of_name.next(), of_name.next()) {
        (found, None) => Ok(found),
        (_, Some(_)) => Err("several facilities have that name: choose one by its id".to_owned()),
    }
}

fn line(facility: &Facility) -> String {
    let Facility { id, name, npi, active } = facility;
    let npi = npi.as_deref().unwrap_or("-");
    let inactive = if *active { "" } else { " (inactive)" };
    format!("FacilityId={}  NPI {npi}  {name}{inactive}", id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::domain::FacilityId;

    #[test]
    fn facility_is_found_by_a_unique_name() {
        let facility = |id: &str, name: &str| Facility {
            id: FacilityId::parse(id).unwrap(),
            name: name.to_owned(),
            npi: Some("1234567893".to_owned()),
            active: true,
        };
        let one = [facility("f-1", "North "), facility("f-2", "South")];
        assert_eq!(named(&one, "North").unwrap(), Some(&one[0]));
        assert_eq!(named(&one, "West").unwrap(), None);
        assert_eq!(line(&one[1]), "FacilityId=f-2  NPI 1234567893  South");
        assert!(named(&[facility("f-1", "North"), facility("f-2", "North")], "North").is_err());
    }
}
