//! QR codes for a phone's camera, drawn with characters.

use qrcode::{Color, EcLevel, QrCode};

use super::Charset;

/// Light modules around the code that readers need.
const QUIET: usize = 2;

/// The code of `data` as lines, dark modules drawn as background: meant to be printed light on
/// dark. `None` when the data does not fit a code.
#[must_use]
pub fn qr_lines(data: &[u8], charset: Charset) -> Option<Vec<String>> {
    let code = QrCode::with_error_correction_level(data, EcLevel::L).ok()?;
    let grid = Grid { side: code.width(), modules: code.to_colors() };
    let rows = (0..grid.side + 2 * QUIET).collect::<Vec<_>>();
    Some(match charset {
        Charset::Unicode => rows.chunks(2).map(|pair| grid.half_blocks(pair)).collect(),
        Charset::Ascii => rows.iter().map(|y| grid.letters(*y)).collect(),
    })
}

struct Grid {
    side: usize,
    modules: Vec<Color>,
}

impl Grid {
    fn light(&self, x: usize, y: usize) -> bool {
        let (Some(x), Some(y)) = (x.checked_sub(QUIET), y.checked_sub(QUIET)) else { return true };
        if x >= self.side || y >= self.side {
            return true;
        }
        self.modules.get(y * self.side + x).is_none_or(|module| *module == Color::Light)
    }

    fn half_blocks(&self, pair: &[usize]) -> String {
        let row = |n: usize, x: usize| pair.get(n).is_some_and(|y| self.light(x, *y));
        let block = |x| match (row(0, x), row(1, x)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        };
        (0..self.side + 2 * QUIET).map(block).collect()
    }

    fn letters(&self, y: usize) -> String {
        (0..self.side + 2 * QUIET).map(|x| if self.light(x, y) { "##" } else { "  " }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_square_with_a_quiet_border() {
        let lines = qr_lines(b"hubbub", Charset::Unicode).unwrap();
        assert!(lines.iter().all(|line| line.chars().count() == 25));
        assert_eq!(lines.len(), 13);
        assert_eq!(lines[0], "█".repeat(25));
        let ascii = qr_lines(b"hubbub", Charset::Ascii).unwrap();
        assert_eq!((ascii.len(), ascii[0].len()), (25, 50));
    }

    #[test]
    fn too_much_data_is_no_code() {
        assert!(qr_lines(&[0; 5000], Charset::Unicode).is_none());
    }
}
