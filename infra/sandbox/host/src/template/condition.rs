//! Conditions, which `Fn::If` and a resource's `Condition` use (docs.aws.amazon.com, "Condition functions").

use serde_json::Value;

use super::error::TemplateError;
use super::intrinsic::Evaluator;

/// `trail` holds the names of the conditions being evaluated, to detect a condition that depends on itself.
impl Evaluator<'_> {
    pub(super) fn condition(&self, name: &str, place: &str) -> Result<bool, TemplateError> {
        self.named_condition(name, place, &mut Vec::new())
    }

    fn named_condition(&self, name: &str, place: &str, trail: &mut Vec<String>) -> Result<bool, TemplateError> {
        let definition = self.conditions.and_then(|conditions| conditions.get(name));
        let definition = definition.ok_or_else(|| TemplateError::at(place, format!("no condition `{name}`")))?;
        if trail.iter().any(|visited| visited == name) {
            return Err(TemplateError::at(
                place,
                format!("condition `{name}` depends on itself"),
            ));
        }
        trail.push(name.to_owned());
        let holds = self.holds(definition, &format!("Conditions.{name}"), trail)?;
        trail.pop();
        Ok(holds)
    }

    fn holds(&self, expression: &Value, place: &str, trail: &mut Vec<String>) -> Result<bool, TemplateError> {
        let call = expression
            .as_object()
            .filter(|object| object.len() == 1)
            .and_then(|object| object.iter().next());
        match call {
            Some((name, Value::String(condition))) if name == "Condition" => {
                self.named_condition(condition, place, trail)
            }
            Some((name, argument)) => self.function_holds(name, argument, place, trail),
            None => Err(TemplateError::at(place, "is not a condition")),
        }
    }

    pub(super) fn function_holds(
        &self,
        name: &str,
        argument: &Value,
        place: &str,
        trail: &mut Vec<String>,
    ) -> Result<bool, TemplateError> {
        let arguments = argument.as_array().map(Vec::as_slice).unwrap_or_default();
        match (name, arguments) {
            ("Fn::Equals", [left, right]) => Ok(self.text(left, place)? == self.text(right, place)?),
            ("Fn::Not", [inner]) => self.holds(inner, place, trail).map(|holds| !holds),
            ("Fn::And", [_, _, ..]) => self
                .all(arguments, place, trail)
                .map(|all| all.into_iter().all(|holds| holds)),
            ("Fn::Or", [_, _, ..]) => self
                .all(arguments, place, trail)
                .map(|all| all.into_iter().any(|holds| holds)),
            _ => Err(TemplateError::at(
                place,
                format!("`{name}` is not a condition with the right arguments"),
            )),
        }
    }

    fn all(&self, expressions: &[Value], place: &str, trail: &mut Vec<String>) -> Result<Vec<bool>, TemplateError> {
        expressions
            .iter()
            .map(|expression| self.holds(expression, place, trail))
            .collect()
    }
}
