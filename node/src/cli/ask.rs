//! Questions to the person at the terminal. Prompts go to stderr, so that results stay clean.

use std::io::{self, Write};

use crate::api::{ApiError, Code};

/// Longest answer read, in bytes.
const ANSWER_MAX: u64 = 1_024;

/// One line, without its end and the spaces around it.
pub(super) async fn line(prompt: &str) -> Result<String, ApiError> {
    let prompt = prompt.to_owned();
    blocking(move || {
        use std::io::{BufRead, Read};
        write!(io::stderr(), "{prompt}")?;
        io::stderr().flush()?;
        let mut answer = String::new();
        if io::stdin().lock().take(ANSWER_MAX).read_line(&mut answer)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(answer.trim().to_owned())
    })
    .await
}

/// Whether the answer is yes; anything else is no.
pub(super) async fn yes(prompt: &str) -> Result<bool, ApiError> {
    let answer = line(prompt).await?;
    Ok(matches!(answer.to_lowercase().as_str(), "y" | "yes"))
}

/// A secret, typed without being shown.
pub(super) async fn secret(prompt: &str) -> Result<String, ApiError> {
    let prompt = prompt.to_owned();
    blocking(move || rpassword::prompt_password(prompt)).await
}

async fn blocking<T: Send + 'static>(
    ask: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ApiError> {
    let failed = |what: String| {
        ApiError::new(Code::Usage, format!("no answer: {what}"), "run it in a terminal")
    };
    match tokio::task::spawn_blocking(ask).await {
        Ok(answer) => answer.map_err(|e| failed(e.to_string())),
        Err(stopped) => Err(failed(stopped.to_string())),
    }
}
